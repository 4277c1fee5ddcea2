"""Checks that every correct backend passes on a tape, however it rounds."""

from collections.abc import Callable, Mapping

import numpy as np

from alae_conformance.answers import answers, weight_norms
from alae_conformance.case import Case, cases, experiment_of
from alae_conformance.comparison import Observations, compare
from alae_conformance.fixture import Fixture
from alae_conformance.reference.rounded import make_residual, make_rounded
from alae_conformance.reference.training import Reference
from alae_conformance.subjects import Arrays
from alae_conformance.tolerances import TOLERANCES, Lane, precision_of
from alae_core.config import Config

#: size of the nudges to weights, in float32 roundings: larger than a backend's error in a free run
_NUDGE = 8.0
#: share of a float32 limit that one rounding may use, and that a kink may use
_STEADY = 0.2
#: share of a limit that growing runs may use if layers round once; a backend rounds within layers as well
_ROUNDING = 0.12
#: share of a bfloat16 limit that may be used if layers round to 8 or 7 digits, and that averages over batches or a kink
#: may use
_COARSE = 0.2
_COARSE_AT_MOST = 0.6
#: half of a rounding to 8 digits, in float32 roundings
_COARSE_NUDGE = 2.0**15
_PAIRS = 4
#: a function that builds a variant of the reference
Build = Callable[[Config], Reference]
#: binary digits of a lane's numbers, and the size of one rounding relative to float32's. Numbers of float64 have 53
#: digits, which the reference's have too, so that rounding to 53 would change nothing
_DIGITS: dict[Lane, tuple[int, float]] = {"float32": (24, 1.0), "float64": (52, 2.0**-29)}


def is_steady(fixture: Fixture, tape: Mapping[str, np.ndarray]) -> bool:
    """Return whether every correct backend passes all of the fixture's cases on this tape.

    Cases that run only in float64 are not checked for kinks, because its roundings are too small to cross one.
    """
    affected = [
        (case, experiment_of(case).rounding == "compounds")
        for case in cases().values()
        if case.fixture == fixture.id and experiment_of(case).rounding != "none"
    ]
    # Growing runs first, and kinks last, because rounding rejects about fifty tapes for each that is accepted.
    affected.sort(key=lambda pair: not pair[1])
    return all(
        (not compounds or _withstands_rounding(case, tape))
        and ("bfloat16" not in case.lanes or _withstands_bfloat16(case, tape))
        for case, compounds in affected
    ) and all(_clear_of_kinks(case, tape) for case, _ in affected if _runs_in_float32(case))


def _runs_in_float32(case: Case) -> bool:
    return any(precision_of(lane) == "float32" for lane in case.lanes)


def _clear_of_kinks(case: Case, tape: Mapping[str, np.ndarray]) -> bool:
    """Nudge the weights by several float32 roundings, once in each direction.

    Each nudge must change the outcome only little. The mean of both must change it even less: the two changes cancel
    unless a leaky ReLU or a hinge crosses its kink. Layers of a run round too: where terms of a gradient cancel, nearly
    or to the last digit, Adam's first steps multiply what rounding leaves.
    """
    expected, trains = answers(case, tape), experiment_of(case).trains
    if trains and not _near(case, answers(case, tape, make_residual), expected, tape, _STEADY):
        return False
    rounded = make_rounded(_DIGITS["float32"][0]) if trains else None
    for copy in range(_PAIRS):
        there, middle = _nudge_both_ways(case, tape, copy, _NUDGE, rounded)
        if not _near(case, there, expected, tape, _STEADY * _NUDGE) or not _near(case, middle, expected, tape, _STEADY):
            return False
    return True


def _withstands_rounding(case: Case, tape: Mapping[str, np.ndarray]) -> bool:
    """Nudge the weights by one rounding, and round the output of each layer.

    A nearly constant feature map loses its digits when its mean is subtracted. Nudged weights alone do not show this,
    and the steps of a growing run multiply it.
    """
    lane: Lane = "float32" if _runs_in_float32(case) else "float64"
    digits, rounding = _DIGITS[lane]
    expected = answers(case, tape)
    return all(
        _near(
            case, answers(case, nudge_tape(tape, copy, rounding), make_rounded(digits)), expected, tape, _ROUNDING, lane
        )
        for copy in range(_PAIRS)
    )


def _withstands_bfloat16(case: Case, tape: Mapping[str, np.ndarray]) -> bool:
    """Round the output of each layer to 8 binary digits, and to 7, since a backend rounds within layers as well.

    Where the gradients of an update nearly cancel, rounding determines their direction. Nudges both ways show kinks.
    """
    expected = answers(case, tape)
    most = _COARSE_AT_MOST if experiment_of(case).rounding == "averages" else _COARSE
    return all(
        _near(case, answers(case, tape, make_rounded(digits)), expected, tape, most, "bfloat16") for digits in (8, 7)
    ) and all(
        _near(case, middle, expected, tape, _COARSE_AT_MOST, "bfloat16")
        for copy in range(_PAIRS)
        for _, middle in [_nudge_both_ways(case, tape, copy, _COARSE_NUDGE, make_rounded(8))]
    )


def _nudge_both_ways(
    case: Case, tape: Mapping[str, np.ndarray], copy: int, roundings: float, reference: Build | None
) -> tuple[Observations, Observations]:
    """Return the outcome on a nudged tape, and its mean with that of the opposite nudge."""
    there, back = (answers(case, nudge_tape(tape, copy, sign * roundings), reference) for sign in (1, -1))
    return there, {key: (array + back[key]) / 2 if array.dtype.kind == "f" else array for key, array in there.items()}


def nudge_tape(tape: Mapping[str, np.ndarray], seed: int, roundings: float) -> Arrays:
    """Return a copy with weights and the floats of states moved by about so many units in float32's last place."""
    rng = np.random.default_rng(seed)
    return {
        name: array * (1 + roundings * 2.0**-23 * rng.normal(size=array.shape))
        if array.dtype.kind == "f" and name.startswith(("weights/", "states/"))
        else array
        for name, array in tape.items()
    }


def _near(
    case: Case,
    observed: Observations,
    expected: Observations,
    tape: Mapping[str, np.ndarray],
    most: float,
    lane: Lane = "float32",
) -> bool:
    comparisons = compare(observed, expected, TOLERANCES[case.tolerance, lane], weight_norms(tape))
    return all(comparison.ratio < most for comparison in comparisons)
