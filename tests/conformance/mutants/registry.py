"""What a mutant is, and how it is judged."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from alae_conformance import vectors
from alae_conformance.experiments import EXPERIMENTS, Setting
from alae_conformance.judge import Comparison
from alae_conformance.numbers import Frozen
from alae_conformance.subjects import Subject
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.suite import compare


class Mutant(NamedTuple):
    """A fault, and where it must show."""

    name: str
    fault: str
    case: str
    check: str
    lane: str
    make: Callable[[], Subject]


MUTANTS: list[Mutant] = []
#: other ways to write the same: these must pass
EQUIVALENTS: list[Mutant] = []


def fault(description, case, check, lane="float32", into=MUTANTS):
    """Register a faulty `Reference` or `ReferenceSubject`."""

    def register(cls):
        make = cls if issubclass(cls, ReferenceSubject) else lambda: ReferenceSubject(cls)
        into.append(Mutant(cls.__name__, description, case, check, lane, make))
        return cls

    return register


def comparisons(case, lane, subject):
    """What the suite says of a subject in one case."""
    numbers = Frozen()
    case = vectors.cases()[case]
    with TemporaryDirectory() as directory:
        setting = Setting(vectors.fixtures()[case.fixture], lane, numbers.tape(case.fixture), Path(directory))
        if case.experiment == "peers":
            EXPERIMENTS["portability"](ReferenceSubject(), setting)
        return compare(case, lane, EXPERIMENTS[case.experiment](subject, setting), numbers)


@cache
def of_control(case, lane):
    """What the suite says of the sound reference."""
    if vectors.cases()[case].tolerance == "statistics":
        # Its runs take long, and test_vectors.py has seen that they are these.
        return compare(vectors.cases()[case], lane, dict(vectors.expected(case)), Frozen())
    return comparisons(case, lane, ReferenceSubject())


def worst(found: list[Comparison], check: str) -> Comparison:
    """The comparison of a check that is furthest over its limit."""
    return max(
        (comparison for comparison in found if comparison.check == check), key=lambda comparison: comparison.ratio
    )
