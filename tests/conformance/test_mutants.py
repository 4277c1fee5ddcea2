"""Each mutant is caught by the check named for it; the correct reference and equivalent implementations pass."""

from collections import Counter

import pytest

from alae_conformance.case import cases
from alae_conformance.freeze import frozen_cases
from tests.conformance.core_faults import CORE_FAULTS
from tests.conformance.mutants import EQUIVALENTS, MUTANTS, judge_reference, judge_subject, worst_of
from tests.conformance.mutants.page import read_ratios

DOCUMENTED = read_ratios()


def in_groups(mutants):
    """Return parameters in one xdist group per case, so that its tests judge the reference only once.

    The long runs of level 4 are slow. They are compared with frozen ones, so each is its own group.
    """
    parameters = []
    for mutant in mutants:
        long = cases()[mutant.case].level == 4
        group = f"mutant {mutant.name}" if long else f"mutants of {mutant.case}"
        marks = [pytest.mark.xdist_group(group), *[pytest.mark.slow] * long]
        parameters.append(pytest.param(mutant, id=mutant.name, marks=marks))
    return parameters


@pytest.mark.parametrize("mutant", in_groups(MUTANTS))
def test_the_named_check_fails_on_the_mutant_and_passes_on_the_reference(mutant):
    control = worst_of(mutant.check, judge_reference(mutant.case, mutant.lane))
    assert control.passed, control
    caught = worst_of(mutant.check, judge_subject(mutant.case, mutant.lane, mutant.make()))
    assert not caught.passed, caught
    # If a fault barely exceeds a limit, the limit is too wide.
    assert caught.ratio > 2.5, caught
    assert caught.ratio == pytest.approx(float(DOCUMENTED[mutant.name][0]), rel=0.1), "docs/mutants.md is out of date"


@pytest.mark.parametrize("equivalent", in_groups(EQUIVALENTS))
def test_a_correct_alternative_passes(equivalent):
    comparisons = judge_subject(equivalent.case, equivalent.lane, equivalent.make())
    assert worst_of(equivalent.check, comparisons).passed
    assert all(comparison.passed for comparison in comparisons)


def test_every_check_and_every_case_catches_a_fault():
    assert len(MUTANTS) >= 30
    assert Counter(mutant.name for mutant in MUTANTS).most_common(1)[0][1] == 1
    checks = {check for case in cases().values() for check in case.checks}
    assert {mutant.check for mutant in MUTANTS} == checks
    assert {fault.case for fault in (*MUTANTS, *CORE_FAULTS)} >= {case.id for case in frozen_cases()}
    assert all(mutant.check in cases()[mutant.case].checks for mutant in MUTANTS)
