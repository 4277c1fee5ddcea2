"""What goes into each case and what must come out: the frozen files, or fresh numbers that nobody can have stored."""

import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np

from alae_conformance import tape as tapes
from alae_conformance import vectors
from alae_conformance.experiments import EXPERIMENTS, Setting
from alae_conformance.judge import Observations, judge
from alae_conformance.reference.rounded import rounded
from alae_conformance.reference.training import Reference
from alae_conformance.subjects import Arrays
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.tolerances import TOLERANCES, Lane
from alae_conformance.vectors import Case, Fixture, VectorsError
from alae_core.config import Config

#: how far `steady` nudges weights, in float32 roundings: further than a backend strays within a free run
NUDGE = 8.0
#: how much of a float32 limit one rounding may use up, and how much a kink may
STEADY = 0.2
#: how much of a limit a growing reference may use up whose layers round; a backend rounds within layers as well
ROUNDING = 0.12
#: how much of a bfloat16 limit a reference may use up whose layers round to its digits, or to one less
COARSE = 0.2
_PAIRS, _ATTEMPTS = 4, 1000
#: of a lane: how many binary digits its numbers have, and one rounding in units of float32's
_DIGITS: dict[Lane, tuple[int, float]] = {"float32": (24, 1.0), "float64": (53, 2.0**-29)}
_ROUNDED = ("values", "gradients", "reloaded", "substeps", "only", "fed", "free_run", "growth", "precision")


class Numbers(Protocol):
    """Where a run of the suite takes its numbers from."""

    def tape(self, fixture: str) -> Mapping[str, np.ndarray]:
        """What goes in."""

    def expected(self, case: str) -> Mapping[str, np.ndarray]:
        """What must come out."""


class Frozen:
    """The files that ship with the suite, verified. Raises VectorsError where they are not what was released."""

    def __init__(self) -> None:
        vectors.verify()

    def tape(self, fixture: str) -> Mapping[str, np.ndarray]:
        return vectors.tape(fixture)

    def expected(self, case: str) -> Mapping[str, np.ndarray]:
        return vectors.expected(case)


class Fresh:
    """New tapes from a seed, and the reference computing live."""

    def __init__(self, seed: int) -> None:
        self.tape = cache(lambda fixture: draw_steady(vectors.fixtures()[fixture], seed))
        self.expected = cache(lambda case: answers(vectors.cases()[case], self.tape(vectors.cases()[case].fixture)))


def draw_steady(fixture: Fixture, seed: int = 0) -> Arrays:
    """The first tape of `seed` on which rounding is harmless. Raises VectorsError where a thousand are not."""
    for attempt in range(_ATTEMPTS):
        tape = tapes.draw(fixture, crc32(f"{fixture.id} {seed} {attempt}".encode()))
        if steady(fixture, tape):
            return tape
    raise VectorsError(f"none of {_ATTEMPTS} tapes of the fixture {fixture.id} is clear of kinks")


def steady(fixture: Fixture, tape: Mapping[str, np.ndarray]) -> bool:
    """Whether a correct backend must pass on this tape, whatever its rounding does.

    What is judged in float64 alone need not be clear of kinks: its roundings come near none.
    """
    cases = [case for case in vectors.cases().values() if case.fixture == fixture.id and case.experiment in _ROUNDED]
    # First what rejects most tapes: of style networks that grow, some fifty for each that is taken.
    cases.sort(key=lambda case: case.experiment != "growth")
    return all(
        (case.experiment != "growth" or _withstands_rounding(case, tape))
        and ("bfloat16" not in case.lanes or _withstands_bfloat16(case, tape))
        and ("float32" not in case.lanes or _clear_of_kinks(case, tape))
        for case in cases
    )


def _clear_of_kinks(case: Case, tape: Mapping[str, np.ndarray]) -> bool:
    """Weights are nudged there and back, by several float32 roundings.

    What that does must stay small; and the mean of there and back must be where no nudge leads: what remains of it is a
    leaky ReLU or hinge that changed sides.
    """
    expected = answers(case, tape)
    for copy in range(_PAIRS):
        there, back = (answers(case, tapes.nudged(tape, copy, sign * NUDGE)) for sign in (1, -1))
        middle = {key: (array + back[key]) / 2 if array.dtype.kind == "f" else array for key, array in there.items()}
        if not _near(case, there, expected, tape, STEADY * NUDGE) or not _near(case, middle, expected, tape, STEADY):
            return False
    return True


def _withstands_rounding(case: Case, tape: Mapping[str, np.ndarray]) -> bool:
    """Weights are nudged by one rounding, and each layer rounds.

    Of a nearly constant feature map little is left once its mean is subtracted; nudges of weights alone do not show it,
    and the steps of a growing run multiply it.
    """
    lane: Lane = "float32" if "float32" in case.lanes else "float64"
    digits, rounding = _DIGITS[lane]
    expected = answers(case, tape)
    return all(
        _near(case, answers(case, tapes.nudged(tape, copy, rounding), rounded(digits)), expected, tape, ROUNDING, lane)
        for copy in range(_PAIRS)
    )


def _withstands_bfloat16(case: Case, tape: Mapping[str, np.ndarray]) -> bool:
    """Each layer rounds to 8 binary digits, and to 7, for a backend rounds within layers as well.

    Where an update's gradients nearly cancel, their direction is the roundings'.
    """
    expected = answers(case, tape)
    return all(
        _near(case, answers(case, tape, rounded(digits)), expected, tape, COARSE, "bfloat16") for digits in (8, 7)
    )


def answers(
    case: Case, tape: Mapping[str, np.ndarray], reference: Callable[[Config], Reference] | None = None
) -> Observations:
    """What the reference does in a case."""
    with tempfile.TemporaryDirectory() as checkpoints:
        setting = Setting(vectors.fixtures()[case.fixture], "float64", tape, Path(checkpoints))
        if case.experiment == "peers":
            EXPERIMENTS["portability"](ReferenceSubject(), setting)
        return EXPERIMENTS[case.experiment](ReferenceSubject(reference), setting)


def weight_norms(tape: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The norm of each weight on a tape: what its displacement is rounded at."""
    return {name: float(np.linalg.norm(array)) for name, array in tapes.group("weights", tape).items()}


def _near(
    case: Case,
    found: Observations,
    expected: Observations,
    tape: Mapping[str, np.ndarray],
    most: float,
    lane: Lane = "float32",
) -> bool:
    comparisons = judge(found, expected, TOLERANCES[case.tolerance, lane], weight_norms(tape))
    return all(comparison.ratio < most for comparison in comparisons)
