"""docs/mutants.md, and the numbers and limits in docs/conformance.md, are current."""

from tests.conformance.mutants.page import PAGE, read_ratios
from tests.conformance.mutants_page import COUNTED, render, with_counts

WRITE = "run KERAS_BACKEND=jax python -m tests.conformance.mutants_page"


def test_the_page_lists_every_fault():
    assert render(read_ratios()) == PAGE.read_text("utf-8"), WRITE


def test_the_numbers_of_faults_and_the_table_of_limits_are_current():
    text = COUNTED.read_text("utf-8")
    assert with_counts(text, read_ratios()) == text, WRITE
