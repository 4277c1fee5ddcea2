"""Whatever a plug-in writes or may override, a fault in it is caught."""

from functools import cache

import pytest

from tests.conformance.mutants import comparisons, worst
from tests.conformance.spoiled import SPOILED, methods, plugin
from tests.conftest import REPOSITORY


@cache
def of_sound(case):
    return comparisons(case, "float32", plugin())


@pytest.mark.parametrize("spoiled", SPOILED, ids=lambda spoiled: spoiled.member)
def test_a_fault_in_each_method_dies_of_the_check_named_for_it(spoiled):
    assert worst(of_sound(spoiled.case), spoiled.check).passed
    assert worst(comparisons(spoiled.case, "float32", plugin(spoiled)), spoiled.check).ratio > 4


def test_no_method_of_the_contract_lacks_a_fault():
    assert methods() <= {spoiled.member for spoiled in SPOILED}


def test_the_documents_say_what_holds_each():
    document = (REPOSITORY / "docs" / "conformance.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")] for line in document.splitlines() if line.startswith("| `")]
    expected = [[f"`{each.member}`", each.fault, f"{each.case}, {each.check}"] for each in SPOILED]
    assert [[row[1], *row[3:5]] for row in rows if len(row) == 6] == expected
