"""A run at a terminal or in a CI log: one line per case as it ends, and a final table."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alae_conformance.case import cases
from alae_conformance.record import CaseRecord, Report, Status
from alae_conformance.report.words import (
    LEVELS,
    MARKS,
    Standing,
    describe_failures,
    escape_controls,
    excess,
    find_standing,
    format_count,
    format_ratio,
    level_of,
    refusals,
    rows,
    verdict,
)

_STATUS: dict[Status, str] = {
    "passed": "green",
    "failed": "bold red",
    "error": "bold red",
    "expected": "yellow",
    "stale": "bold yellow",
    "unsupported": "dim",
}
_STANDING: dict[Standing, str] = {
    "held": "green",
    "not held": "bold red",
    "withdrawn": "yellow",
    "unsupported": "dim",
}


class Lines:
    """Prints cases as they end, in columns wide enough for every name."""

    def __init__(self, console: Console, backends: Sequence[str]) -> None:
        self._console = console
        self._names = max(map(len, backends), default=0)
        self._ids = max(map(len, cases()))

    def case(self, backend: str, record: CaseRecord) -> None:
        """Print a case and its problems in one call, so that threads do not mix their lines.

        Failed cases list each failed check, errors their message and the last line of the traceback, and cases of an
        xfail file its reason.
        """
        line = Text(f"{backend:{self._names}}  {record.lane:10}  {record.case:{self._ids}}  ")
        line.append(f"{record.status:11}", _STATUS[record.status])
        measured = excess(record)
        line.append(f"  {'' if measured is None else format_ratio(measured):>6}  {record.seconds:5.1f} s")
        problems = [Text(f"    {escape_controls(problem)}", _STATUS[record.status]) for problem in _problems(record)]
        self._console.print(Text("\n").join([line, *problems]), highlight=False, soft_wrap=True)


def _problems(case: CaseRecord) -> list[str]:
    if case.status == "unsupported":
        return []  # the summary gives the reason once for the lane
    last = [line.strip() for line in case.details.splitlines() if line.strip()][-1:]
    return [*describe_failures(case), *case.message.splitlines(), *last]


def summary(report: Report, console: Console) -> None:
    """Print a table of levels by backend, and a verdict for each backend."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("lane")
    table.add_column("level")
    for backend in report.backends:
        table.add_column(escape_controls(backend.name))
    before = ""
    for lane, level in rows(report):
        if before and lane != before:
            table.add_section()
        cells = []
        for backend in report.backends:
            record = level_of(backend, lane, level)
            cells.append(Text())
            if record:
                stands = find_standing(backend, record)
                result = stands if stands == "unsupported" else format_count(record)
                cells[-1] = Text(f"{MARKS[stands]} {result}", _STANDING[stands])
        table.add_row(lane if lane != before else "", f"L{level} {LEVELS[level]}", *cells)
        before = lane
    console.print(table)
    marks = "  ".join(f"{mark} {stands}" for stands, mark in MARKS.items())
    console.print(Text(f"{marks}\npassed/required · largest error / limit\n", "dim"))
    for backend in report.backends:
        style = "bold green" if backend.conforms else "bold red"
        line = Text(f"{escape_controls(backend.name)} {verdict(backend)}", style)
        reasons = [Text(f"    {escape_controls(refusal)}", "dim") for refusal in refusals(backend)]
        console.print(Text("\n").join([line, *reasons]), highlight=False, soft_wrap=True)
