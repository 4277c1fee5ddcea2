"""Texts that the table, JUnit, the badge and the page share."""

import re
from math import inf
from typing import Literal

from alae_conformance.record import BackendRecord, CaseRecord, CheckRecord, LevelRecord, Report
from alae_conformance.tolerances import LANES, Lane

LEVELS = {
    0: "contract",
    1: "forward and losses",
    2: "gradients",
    3: "updates",
    4: "reciprocity",
    5: "portability",
}
#: withdrawn: an xfail file lists one of its cases. unsupported: the backend lacks the lane.
Standing = Literal["held", "not held", "withdrawn", "unsupported"]
MARKS: dict[Standing, str] = {"held": "✓", "not held": "✗", "withdrawn": "○", "unsupported": "–"}

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape_controls(text: str) -> str:
    """Return a backend's text without colours and with control characters escaped, safe at a terminal and in XML."""
    return _NOT_XML.sub(lambda found: ascii(found[0])[1:-1], _ANSI.sub("", text))


def format_number(value: float) -> str:
    """Format with at least two significant digits; infinity is ∞."""
    return (f"{value:.0f}" if 10 <= value < 1e5 else f"{value:.2g}").replace("inf", "∞")


def format_ratio(value: float) -> str:
    """Format error / limit; everything below 0.001 is "<0.001"."""
    return "<0.001" if 0 < value < 1e-3 else format_number(value)


def failed_checks(case: CaseRecord) -> list[CheckRecord]:
    """Return the failed checks of a case, worst first."""
    return sorted((check for check in case.checks if check.failed), key=lambda check: -check.ratio)


def describe_failures(case: CaseRecord) -> list[str]:
    """Return one line per failed check: its worst quantity, the error and the limit."""
    lines = []
    for check in failed_checks(case):
        error, limit = format_number(check.error), format_number(check.limit)
        lines.append(f"{check.check}  {check.quantity}  {error} > {limit}  {check.note}".rstrip())
    return lines


def worst(case: CaseRecord) -> CheckRecord | None:
    """Return the check with the largest error / limit, or None if nothing was compared."""
    return max(case.checks, key=lambda check: check.ratio, default=None)


def excess(case: CaseRecord) -> float | None:
    """Return the largest error / limit; infinity if the case ended before any comparison, None if it was not run."""
    if case.checks:
        return case.ratio
    return None if case.status == "unsupported" else inf


def rows(report: Report) -> list[tuple[Lane, int]]:
    """Return every (lane, level) in which a backend was judged, in the order of LANES."""
    found = {(level.lane, level.level) for backend in report.backends for level in backend.levels}
    return sorted(found, key=lambda row: (LANES.index(row[0]), row[1]))


def level_of(backend: BackendRecord, lane: Lane, level: int) -> LevelRecord | None:
    """Return a backend's record of a level in a lane, or None if it was not judged there."""
    return next((record for record in backend.levels if (record.lane, record.level) == (lane, level)), None)


def find_standing(backend: BackendRecord, level: LevelRecord) -> Standing:
    """Return whether a level is held, not held, withdrawn or unsupported."""
    if level.holds:
        return "held"
    if level.withdrawn:
        return "withdrawn"
    statuses = {case.status for case in backend.cases if (case.lane, case.level) == (level.lane, level.level)}
    return "unsupported" if statuses == {"unsupported"} else "not held"


def format_count(level: LevelRecord) -> str:
    """Format the number of a level's cases that passed, out of all, and the largest error / limit."""
    worst_ratio = f" · {format_ratio(level.ratio)}" if level.executed else ""
    return f"{level.passed}/{level.required}{worst_ratio}"


def reached_levels(backend: BackendRecord) -> dict[Lane, int]:
    """Return the highest level that holds together with all below it, by lane; lanes without one are left out."""
    levels = {lane: backend.highest(lane) for lane in LANES}
    return {lane: level for lane, level in levels.items() if level is not None}


def refusals(backend: BackendRecord) -> list[str]:
    """Return the messages with which the backend refused lanes."""
    return list(dict.fromkeys(case.message for case in backend.cases if case.status == "unsupported"))


def verdict(backend: BackendRecord) -> str:
    """Describe in one line whether the backend conforms, and the levels that it holds or does not hold."""
    by_standing: dict[Standing, list[str]] = {}
    for level in backend.levels:
        by_standing.setdefault(find_standing(backend, level), []).append(f"L{level.level} in {level.lane}")
    if backend.partial and backend.conforms:
        passed = sum(case.status == "passed" for case in backend.cases)
        return f"passes: {passed} of {len(backend.cases)} selected cases; a selection claims no level"
    withdrawn = [f"withdrawn: {', '.join(by_standing['withdrawn'])}"] if "withdrawn" in by_standing else []
    if backend.conforms:
        held = ", ".join(f"L{level} in {lane}" for lane, level in reached_levels(backend).items())
        levels = held or "no level from L0 up"
        return "; ".join([f"conforms: {levels}", *withdrawn])
    missing = [f"L{level} in {lane}" for lane, level in backend.missing.items()]
    lost = by_standing.get("not held", [])
    stale = sum(case.status == "stale" for case in backend.cases)
    reasons = [f"not held: {', '.join(lost)}"] if lost else []
    reasons += [f"required: {', '.join(missing)}"] if missing else []
    reasons += [f"xfails out of date: {stale}"] if stale else []
    return "does not conform: " + "; ".join([*(reasons or ["no level holds in float32"]), *withdrawn])
