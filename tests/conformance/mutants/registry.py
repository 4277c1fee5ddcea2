"""What a mutant is, and how it is judged."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from alae_conformance import files
from alae_conformance.answers import write_reference_checkpoints
from alae_conformance.case import cases, experiment_of
from alae_conformance.comparison import Comparison
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import fixtures
from alae_conformance.judge import compare_case
from alae_conformance.numbers import Frozen
from alae_conformance.subjects import Subject
from alae_conformance.subjects.reference import ReferenceSubject


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
    case = cases()[case]
    with TemporaryDirectory() as directory:
        setting = Setting(fixtures()[case.fixture], lane, numbers.tape(case.fixture), Path(directory))
        write_reference_checkpoints(case, setting)
        return compare_case(case, lane, experiment_of(case).run(subject, setting), numbers)


@cache
def of_control(case, lane):
    """What the suite says of the sound reference."""
    if cases()[case].tolerance == "statistics":
        # Its runs take long, and test_freeze.py has seen that they are these.
        return compare_case(cases()[case], lane, dict(files.read_expected(case)), Frozen())
    return comparisons(case, lane, ReferenceSubject())


def worst(found: list[Comparison], check: str) -> Comparison:
    """The comparison of a check that is furthest over its limit."""
    return max(
        (comparison for comparison in found if comparison.check == check), key=lambda comparison: comparison.ratio
    )
