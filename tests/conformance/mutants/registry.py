"""Faulty copies of the reference, and the suite's judgement of them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from alae_conformance import case_files
from alae_conformance.answers import write_reference_checkpoints
from alae_conformance.case import cases, experiment_of
from alae_conformance.comparison import Comparison
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import fixtures
from alae_conformance.judge import compare_case
from alae_conformance.numbers import Frozen
from alae_conformance.reference.model import Model
from alae_conformance.subjects import Subject
from alae_conformance.subjects.reference import ReferenceSubject


class Mutant(NamedTuple):
    """A subject with a fault, and the check of a case that must fail on it."""

    name: str
    fault: str
    case: str
    check: str
    lane: str
    make: Callable[[], Subject]


MUTANTS: list[Mutant] = []
#: correct alternative implementations, which must pass
EQUIVALENTS: list[Mutant] = []


def fault(description, case, check, lane="float32", into=MUTANTS):
    """Register a faulty `Reference`, `ReferenceSubject` or `Model`."""

    def register(cls):
        make = cls if issubclass(cls, ReferenceSubject) else lambda: ReferenceSubject(cls)
        if issubclass(cls, Model):
            make = type(cls.__name__, (ReferenceSubject,), {"model": cls})
        into.append(Mutant(cls.__name__, description, case, check, lane, make))
        return cls

    return register


#: the frozen numbers, verified once in a process
frozen = cache(Frozen)


def judge_subject(case_id, lane, subject):
    """Return the comparisons of a subject in one case."""
    case = cases()[case_id]
    with TemporaryDirectory() as directory:
        setting = Setting(fixtures()[case.fixture], lane, frozen().tape(case.fixture), Path(directory))
        write_reference_checkpoints(case, setting)
        return compare_case(case, lane, experiment_of(case).run(subject, setting), frozen())


@cache
def judge_reference(case_id, lane):
    """Return the comparisons of the correct reference in one case, computed once in a process."""
    case = cases()[case_id]
    if case.tolerance == "statistics":
        # These runs are slow, and test_freeze.py compares them with the frozen ones.
        return compare_case(case, lane, dict(case_files.read_expected(case_id)), frozen())
    return judge_subject(case_id, lane, ReferenceSubject())


def worst_of(check: str, comparisons: list[Comparison]) -> Comparison:
    """Return the comparison of a check that is furthest over its limit."""
    return max(
        (comparison for comparison in comparisons if comparison.check == check),
        key=lambda comparison: comparison.ratio,
    )
