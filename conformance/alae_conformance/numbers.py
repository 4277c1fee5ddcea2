"""Inputs and expected outputs of each case: frozen files, or fresh numbers, which a backend cannot have stored."""

from collections.abc import Mapping
from functools import cache
from typing import Protocol

import numpy as np

from alae_conformance import case_files
from alae_conformance.answers import answers
from alae_conformance.case import cases
from alae_conformance.covering import rows
from alae_conformance.drawing import draw_attempt, draw_steady_tape
from alae_conformance.fixture import fixtures


class Numbers(Protocol):
    """The source of a run's numbers."""

    def tape(self, fixture: str) -> Mapping[str, np.ndarray]:
        """Return the inputs of a fixture."""

    def expected(self, case: str) -> Mapping[str, np.ndarray]:
        """Return the expected outputs of a case."""


class Frozen:
    """The files that ship with the suite, and inputs of the covering array. Raises SuiteError if a file was changed."""

    def __init__(self) -> None:
        case_files.verify_files()

    def tape(self, fixture: str) -> Mapping[str, np.ndarray]:
        return _draw(fixture) if fixture in rows() else case_files.read_tape(fixture)

    def expected(self, case: str) -> Mapping[str, np.ndarray]:
        return _compute(case) if cases()[case].fixture in rows() else case_files.read_expected(case)


# Cached for all backends of a run.
@cache
def _draw(fixture: str) -> Mapping[str, np.ndarray]:
    return draw_attempt(fixtures()[fixture], 0, rows()[fixture].attempt)


@cache
def _compute(case: str) -> Mapping[str, np.ndarray]:
    return answers(cases()[case], _draw(cases()[case].fixture))


class Fresh:
    """New tapes from a seed, and outputs that the reference computes on request."""

    def __init__(self, seed: int) -> None:
        self.tape = cache(lambda fixture: draw_steady_tape(fixtures()[fixture], seed))
        self.expected = cache(lambda case: answers(cases()[case], self.tape(cases()[case].fixture)))
