"""The lines and the summary of a run at a terminal."""

import re
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

from rich.console import Console

from alae_conformance.report.terminal import Lines, summary
from tests.conformance.report.artificial import BAD, REFUSAL, REPORTS


def on_terminal(show, width=100):
    console = Console(file=StringIO(), width=width, force_terminal=False)
    show(console)
    return console.file.getvalue()


def test_each_case_has_a_line_followed_by_its_problems():
    def show(console):
        lines = Lines(console, ["jax", "mine"])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda case: lines.case("mine", case), BAD.backends[1].cases))

    printed = on_terminal(show).splitlines()
    assert sum(line.startswith("mine  ") for line in printed) == len(BAD.backends[1].cases)
    at = next(i for i, line in enumerate(printed) if "L2-leaky-gradients" in line and "float32" in line)
    assert "failed" in printed[at]
    assert "∞" in printed[at]
    assert "still" in printed[at + 1]
    assert "has values that are not finite" in printed[at + 1]
    assert "0.02 > 0.001" in printed[at + 2]
    at = next(i for i, line in enumerate(printed) if "L3-leaky-substeps" in line and "float32" in line)
    assert printed[at + 1].strip() == "run: RuntimeError: no"
    assert printed[at + 2].strip() == "RuntimeError: <script>alert(1)</script>\\x00 & more"
    assert "\x1b" not in "".join(printed)


@REPORTS
def test_the_summary_fits_100_columns(report):
    printed = on_terminal(lambda console: summary(report, console))
    table, _, verdicts = printed.partition("passed/required")
    assert max(map(len, table.splitlines())) <= 100
    for backend in report.backends:
        assert f"{backend.name} {'conforms' if backend.conforms else 'does not conform'}" in verdicts


def test_the_summary_lists_levels():
    printed = on_terminal(lambda console: summary(BAD, console))
    assert "jax conforms: L5 in float32, L3 in float64, L3 in bfloat16" in printed
    assert "mine does not conform: not held: L2 in float32, L3 in float32" in printed
    assert "withdrawn: L1 in float32" in printed
    assert REFUSAL in printed
    row = next(line for line in printed.splitlines() if "L2 gradients" in line)
    assert re.search(r"✓ (\d+)/\1 · 0\.01 .*✗ \d+/\1 · ∞", row)
