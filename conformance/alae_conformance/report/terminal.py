"""A run at a terminal or in the log of a CI: a line for each case as it ends, and a table after the last."""

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
    complaints,
    count,
    excess,
    level_of,
    plain,
    ratio,
    refusals,
    rows,
    standing,
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
    """Prints cases as they end, in columns that fit every name there may be."""

    def __init__(self, console: Console, backends: Sequence[str]) -> None:
        self._console = console
        self._names = max(map(len, backends), default=0)
        self._ids = max(map(len, cases()))

    def case(self, backend: str, record: CaseRecord) -> None:
        """Print a case, and beneath it what went wrong. Any thread may call: what belongs together is printed at once.

        Failed cases list each failing check, errors their message and the last line of the traceback, others under an
        xfail what it says.
        """
        line = Text(f"{backend:{self._names}}  {record.lane:8}  {record.case:{self._ids}}  ")
        line.append(f"{record.status:11}", _STATUS[record.status])
        measured = excess(record)
        line.append(f"  {'' if measured is None else ratio(measured):>6}  {record.seconds:5.1f} s")
        beneath = [Text(f"    {plain(said)}", _STATUS[record.status]) for said in _beneath(record)]
        self._console.print(Text("\n").join([line, *beneath]), highlight=False, soft_wrap=True)


def _beneath(case: CaseRecord) -> list[str]:
    if case.status == "unsupported":
        return []  # one reason for a whole lane: the summary gives it
    last = [line.strip() for line in case.details.splitlines() if line.strip()][-1:]
    return [*complaints(case), *case.message.splitlines(), *last]


def summary(report: Report, console: Console) -> None:
    """Print a table of levels by backend, and a verdict on each backend."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("lane")
    table.add_column("level")
    for backend in report.backends:
        table.add_column(plain(backend.name))
    before = ""
    for lane, level in rows(report):
        if before and lane != before:
            table.add_section()
        cells = []
        for backend in report.backends:
            record = level_of(backend, lane, level)
            cells.append(Text())
            if record:
                stands = standing(backend, record)
                said = stands if stands == "unsupported" else count(record)
                cells[-1] = Text(f"{MARKS[stands]} {said}", _STANDING[stands])
        table.add_row(lane if lane != before else "", f"L{level} {LEVELS[level]}", *cells)
        before = lane
    console.print(table)
    marks = "  ".join(f"{mark} {stands}" for stands, mark in MARKS.items())
    console.print(Text(f"{marks}\npassed/required · worst error over limit\n", "dim"))
    for backend in report.backends:
        style = "bold green" if backend.conforms else "bold red"
        line = Text(f"{plain(backend.name)} {verdict(backend)}", style)
        why = [Text(f"    {plain(refusal)}", "dim") for refusal in refusals(backend)]
        console.print(Text("\n").join([line, *why]), highlight=False, soft_wrap=True)
