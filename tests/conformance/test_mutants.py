"""The suite is as sharp as it claims: each mutant dies of the check named for it, the sound reference of none."""

from collections import Counter

import pytest

from alae_conformance.case import cases
from tests.conformance.mutants import EQUIVALENTS, MUTANTS, comparisons, of_control, worst
from tests.conftest import REPOSITORY


def parameters(mutants):
    """One parameter per mutant. Those of a case share a process, which judges the sound reference once.

    Whole training runs, which level 4 compares, are slow.
    """
    return [
        pytest.param(
            mutant,
            id=mutant.name,
            marks=[pytest.mark.xdist_group(f"mutants-{mutant.case}"), *[pytest.mark.slow] * ("L4" in mutant.case)],
        )
        for mutant in mutants
    ]


@pytest.mark.parametrize("mutant", parameters(MUTANTS))
def test_a_mutant_dies_of_the_check_named_for_it(mutant):
    control = worst(of_control(mutant.case, mutant.lane), mutant.check)
    assert control.passed, control
    found = worst(comparisons(mutant.case, mutant.lane, mutant.make()), mutant.check)
    assert not found.passed, found
    # A limit within which a fault nearly fits is none.
    assert found.ratio > 2.5, found


@pytest.mark.parametrize("equivalent", parameters(EQUIVALENTS))
def test_the_same_written_otherwise_passes(equivalent):
    found = comparisons(equivalent.case, equivalent.lane, equivalent.make())
    assert worst(found, equivalent.check).passed
    assert all(comparison.passed for comparison in found)


def test_the_documents_name_every_mutant():
    document = (REPOSITORY / "docs" / "conformance.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:5]] for line in document.splitlines() if line.startswith("| ")]
    expected = [[m.name, m.fault, f"{m.case}, {m.check}", m.lane] for m in MUTANTS]
    assert [row for row in rows if row in expected] == expected
    assert f"{len(MUTANTS)} faulty copies" in document
    assert f"{len(MUTANTS)} faults planted on purpose" in (REPOSITORY / "README.md").read_text("utf-8")


def test_every_check_and_every_case_kills():
    assert len(MUTANTS) >= 30
    assert Counter(mutant.name for mutant in MUTANTS).most_common(1)[0][1] == 1
    checks = {check for case in cases().values() for check in case.checks}
    assert {mutant.check for mutant in MUTANTS} == checks
    assert {mutant.case for mutant in MUTANTS} == set(cases())
    assert all(mutant.check in cases()[mutant.case].checks for mutant in MUTANTS)
