"""The record of a run of the suite: everything that the table, JUnit, the page and the badge are made from."""

from collections.abc import Iterable
from itertools import takewhile
from typing import Literal

from pydantic import BaseModel, ConfigDict

from alae_conformance.case import Profile
from alae_conformance.claims import unbroken
from alae_conformance.tolerances import Lane

#: failed: a comparison did. error: the plug-in raised, crashed or hung. expected: it failed, as an xfail file says.
#: stale: it passed, though an xfail file says it fails. unsupported: the backend does not compute in this lane.
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
    #: what the page draws: losses of a free run by update, reciprocity errors of each seed
    curves: dict[str, list[float] | list[list[float]]] = {}

    @property
    def ratio(self) -> float:
        """The largest error / limit of all checks."""
        return max((check.ratio for check in self.checks), default=0.0)


class LevelRecord(_Record):
    """A level in one lane: it holds only if every required case was executed and passed."""

    level: int
    lane: Lane
    required: int
    executed: int
    passed: int
    holds: bool
    #: not claimed: an xfail file names one of its cases
    withdrawn: bool
    ratio: float


class BackendRecord(_Record):
    """All that was seen of one backend."""

    name: str
    device: str
    keras_backend: str
    versions: dict[str, str]
    cases: list[CaseRecord]
    levels: list[LevelRecord]
    #: by lane the level up to which all must hold
    required: dict[Lane, int] = {}
    #: cases were chosen: whatever passes, no level is claimed
    partial: bool = False

    @property
    def conforms(self) -> bool:
        """No case ended otherwise than it should, in whatever lane, and what is required holds.

        At least one level in float32 always is required; of chosen cases, that any was executed.
        """
        held = any(level.holds for level in self.levels if self.partial or level.lane == "float32")
        return held and not self.missing and not any(case.status in ("failed", "error", "stale") for case in self.cases)

    @property
    def missing(self) -> dict[Lane, int]:
        """What is required and does not hold."""
        reached = {lane: -1 if (level := self.highest(lane)) is None else level for lane in self.required}
        return {lane: level for lane, level in self.required.items() if reached[lane] < level}

    def highest(self, lane: Lane) -> int | None:
        """The highest level up to which all hold in a lane, or None."""
        if self.partial:
            return None
        levels = sorted((level for level in self.levels if level.lane == lane), key=lambda level: level.level)
        held = [level.level for level in takewhile(lambda level: level.holds, levels)]
        return unbroken(held) if held else None


class Report(_Record):
    """A whole run."""

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
        """Whether every backend does; none at all does not."""
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
