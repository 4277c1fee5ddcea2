"""A fault of alae_core is caught by the check named for it on every backend."""

from collections import Counter

import pytest

from tests.conformance.core_faults import CORE_FAULTS, GROUPS
from tests.conformance.core_faults.judging import measure


@pytest.mark.slow
@pytest.mark.framework
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_the_named_checks_fail_on_the_faults_and_pass_without_them(backend, group):
    faults = [fault for fault in CORE_FAULTS if GROUPS[group](fault)]
    measured = measure(backend, faults)
    assert measured.keys() == {fault.name for fault in faults}
    missed = {name: ratios for name, ratios in measured.items() if not ratios[0] > 2.5 or not ratios[1] <= 1}
    assert missed == {}


def test_every_kind_has_six_faults():
    assert min(Counter(fault.kind for fault in CORE_FAULTS).values()) >= 6
