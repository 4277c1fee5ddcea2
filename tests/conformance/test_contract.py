"""A fault in any method that a backend implements or may override is caught by the check named for it."""

from functools import cache

import pytest

from tests.conformance.contract_faults import CONTRACT_FAULTS, UNREPLACED, methods, open_subject
from tests.conformance.mutants import judge_subject, worst_of


@cache
def judge_correct(case, lane):
    return judge_subject(case, lane, open_subject(lane))


@pytest.mark.parametrize(
    "fault",
    # Training a style model takes long.
    [pytest.param(f, id=f.member, marks=[pytest.mark.slow] * (f.case == "L3-style-growth")) for f in CONTRACT_FAULTS],
)
def test_the_named_check_fails_on_the_fault_and_passes_without_it(fault):
    assert worst_of(fault.check, judge_correct(fault.case, fault.lane)).passed
    assert worst_of(fault.check, judge_subject(fault.case, fault.lane, open_subject(fault.lane, fault))).ratio > 4


def test_every_method_of_the_contract_has_a_fault():
    assert methods() - UNREPLACED <= {fault.member for fault in CONTRACT_FAULTS}
