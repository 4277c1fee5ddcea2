"""The record of a run of the suite, from which every report is made."""

from collections.abc import Iterable
from itertools import takewhile
from typing import Literal

from pydantic import BaseModel, ConfigDict

from alae_conformance.case import Profile
from alae_conformance.claims import highest_without_gap
from alae_conformance.tolerances import Lane

#: failed: a comparison exceeded its limit. error: the backend raised, crashed or hung. expected: it failed, and is in
#: the xfail file. stale: it passed, and is in the xfail file. unsupported: the backend lacks this lane.
Status = Literal["passed", "failed", "error", "expected", "stale", "unsupported"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")  # JSON has no infinity


class CheckRecord(_Record):
    """One check of one case: how many quantities it compared, and the worst of them."""

    check: str
    compared: int
    failed: int
    quantity: str
    error: float
    limit: float
    ratio: float
    note: str


class CaseRecord(_Record):
    """One case in one lane on one backend."""

    case: str
    level: int
    lane: Lane
    status: Status
    seconds: float
    message: str = ""
    details: str = ""
    checks: list[CheckRecord] = []
    #: plotted on the page: losses of a free run by update, reciprocity errors by seed
    curves: dict[str, list[float] | list[list[float]]] = {}

    @property
    def ratio(self) -> float:
        """The largest error / limit of all checks."""
        return max((check.ratio for check in self.checks), default=0.0)


class LevelRecord(_Record):
    """A level in one lane. It holds only if every case of it was run and passed."""

    level: int
    lane: Lane
    required: int
    executed: int
    passed: int
    holds: bool
    #: not claimed, because an xfail file lists one of its cases
    withdrawn: bool
    ratio: float


class BackendRecord(_Record):
    """The record of one backend."""

    name: str
    device: str
    keras_backend: str
    versions: dict[str, str]
    cases: list[CaseRecord]
    levels: list[LevelRecord]
    #: for each lane, the level that must hold together with all below it
    required: dict[Lane, int] = {}
    #: whether only selected cases were run; then no level is claimed
    partial: bool = False

    @property
    def conforms(self) -> bool:
        """Whether no case failed, had an error or is stale, in any lane, and all required levels hold.

        At least one level in float32 must hold; of selected cases, any level.
        """
        held = any(level.holds for level in self.levels if self.partial or level.lane == "float32")
        return held and not self.missing and not any(case.status in ("failed", "error", "stale") for case in self.cases)

    @property
    def missing(self) -> dict[Lane, int]:
        """The required levels that do not hold, by lane."""
        reached = {lane: -1 if (level := self.highest(lane)) is None else level for lane in self.required}
        return {lane: level for lane, level in self.required.items() if reached[lane] < level}

    def highest(self, lane: Lane) -> int | None:
        """Return the highest level that holds in a lane together with all below it, or None."""
        if self.partial:
            return None
        levels = sorted((level for level in self.levels if level.lane == lane), key=lambda level: level.level)
        held = [level.level for level in takewhile(lambda level: level.holds, levels)]
        return highest_without_gap(held) if held else None


class Report(_Record):
    """A run of the suite."""

    format: int = 2
    alae: str
    specification: int  # its version
    manifest: str  # the hash of the frozen numbers
    profile: Profile
    fresh: int | None  # the seed of fresh numbers, or None for the frozen ones
    started: str  # ISO 8601, UTC
    seconds: float
    platform: str
    python: str
    backends: list[BackendRecord]
    #: the reference's own curves, by case
    reference: dict[str, dict[str, list[float] | list[list[float]]]]

    @property
    def conforms(self) -> bool:
        """Whether at least one backend was judged, and all conform."""
        return bool(self.backends) and all(backend.conforms for backend in self.backends)


def levels_of(cases: Iterable[CaseRecord]) -> list[LevelRecord]:
    """Count cases by lane and level."""
    groups: dict[tuple[Lane, int], list[CaseRecord]] = {}
    for case in cases:
        groups.setdefault((case.lane, case.level), []).append(case)
    return [
        LevelRecord(
            level=level,
            lane=lane,
            required=len(group),
            executed=sum(case.status in ("passed", "failed", "expected", "stale") for case in group),
            passed=sum(case.status == "passed" for case in group),
            holds=all(case.status == "passed" for case in group),
            withdrawn=any(case.status == "expected" for case in group),
            ratio=max((case.ratio for case in group), default=0.0),
        )
        for (lane, level), group in groups.items()
    ]
