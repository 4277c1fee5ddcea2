"""Comparison of two reports of the suite: the level that each backend holds, and the cases that differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alae_conformance.record import BackendRecord, CaseRecord, Report
from alae_conformance.report.words import escape_controls, excess, format_ratio
from alae_conformance.tolerances import LANES, Lane
from alae_core import AlaeError
from alae_core._support.files import read_regular

#: maximum size of a report in bytes
MOST_BYTES = 2**28


@dataclass(frozen=True)
class Change:
    """A case in one lane whose record differs between two reports. A record is None if the case was not run."""

    backend: str
    lane: Lane
    case: str
    before: CaseRecord | None
    now: CaseRecord | None

    @property
    def is_worse(self) -> bool:
        """Whether the case passed before, and fails now; a case that was not run has neither passed nor failed."""
        return bool(
            self.before and self.now and self.before.status == "passed" and self.now.status in ("failed", "error")
        )


def read_report(path: Path) -> Report:
    """Read a report that `alae conform --json` wrote. Raises AlaeError if the file is not a report of this version."""
    try:
        return Report.model_validate_json(read_regular(path, MOST_BYTES))
    except OSError as error:
        raise AlaeError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise AlaeError(f"{path} is not a report of `alae conform --json` of this version of alae") from error


def compare_reports(before: Report, now: Report) -> list[Change]:
    """Return the cases whose status differs, of each backend in both reports; see `pair_backends`.

    Only lanes in which both reports judged the backend are compared.

    Raises AlaeError if the reports are not of the same revision of the suite and the same random numbers.
    """
    for name, one, other in (
        ("specification", before.specification, now.specification),
        ("frozen numbers", before.manifest[:12], now.manifest[:12]),
        ("fresh numbers", before.fresh, now.fresh),
    ):
        if one != other:
            raise AlaeError(
                f"the reports have different {name}, {one} and {other}: only reports of the same revision of the suite "
                "can be compared"
            )
    return [change for pair in pair_backends(before, now) for change in _compare_cases(*pair)]


def pair_backends(before: Report, now: Report) -> list[tuple[BackendRecord, BackendRecord]]:
    """Return the backends to compare: those of the same name, or the only one of each report.

    Raises AlaeError if there are none.
    """
    names = {backend.name: backend for backend in now.backends}
    pairs = [(backend, names[backend.name]) for backend in before.backends if backend.name in names]
    if not pairs and len(before.backends) == len(now.backends) == 1:
        pairs = [(before.backends[0], now.backends[0])]
    if not pairs:
        lists = (", ".join(backend.name for backend in report.backends) for report in (before, now))
        raise AlaeError(f"no backend is in both reports: one has {next(lists)}, the other {next(lists)}")
    return pairs


def print_comparison(paths: Sequence[Path], before: Report, now: Report, console: Console) -> list[Change]:
    """Print the level that each backend holds in each report, and each difference; return the differences."""
    changes = compare_reports(before, now)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("backend", "lane", *(path.name for path in paths)):
        table.add_column(Text(escape_controls(heading)))
    for pair in pair_backends(before, now):
        for lane in _lanes_of(*pair):
            name = " / ".join(dict.fromkeys(backend.name for backend in pair))
            table.add_row(Text(escape_controls(name)), lane, *(_describe_lane(backend, lane) for backend in pair))
    console.print(table)
    for change in changes:
        words = " → ".join(_describe_case(case) for case in (change.before, change.now))
        line = escape_controls(f"{change.backend}  {change.lane}  {change.case}  {words}")
        console.print(Text(line, "bold red" if change.is_worse else ""), highlight=False, soft_wrap=True)
    if not changes:
        console.print("no case differs")
    return changes


def _compare_cases(before: BackendRecord, now: BackendRecord) -> Iterator[Change]:
    shared = {case.lane for case in before.cases} & {case.lane for case in now.cases}
    one, other = (
        {(case.lane, case.case): case for case in each.cases if case.lane in shared} for each in (before, now)
    )
    for lane, case in sorted(one.keys() | other.keys(), key=lambda key: (LANES.index(key[0]), key[1])):
        was, is_now = one.get((lane, case)), other.get((lane, case))
        if (was and was.status) != (is_now and is_now.status):
            yield Change(now.name, lane, case, was, is_now)


def _lanes_of(*backends: BackendRecord) -> list[Lane]:
    found = {case.lane for backend in backends for case in backend.cases}
    return [lane for lane in LANES if lane in found]


def _describe_lane(backend: BackendRecord, lane: Lane) -> str:
    cases = [case for case in backend.cases if case.lane == lane]
    if not cases:
        return "not run"
    passed = sum(case.status == "passed" for case in cases)
    level = backend.highest(lane)
    held = "" if backend.partial else "no level, " if level is None else f"L{level}, "
    return f"{held}{passed} of {len(cases)} cases"


def _describe_case(case: CaseRecord | None) -> str:
    if case is None:
        return "missing"
    measured = excess(case) if case.status in ("failed", "error") else None
    return case.status if measured is None else f"{case.status} (error/limit {format_ratio(measured)})"
