"""The choice of cases to run, and of the levels that a backend must hold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from alae_conformance.case import PROFILES, Case, Profile, cases, experiment_of
from alae_conformance.claims import Claim, ClaimError, provable_levels
from alae_conformance.fixture import config_of, fixtures
from alae_conformance.tolerances import LANES, Lane
from alae_core.errors import AlaeError

#: a case in one of its lanes
Task = tuple[Case, Lane]

#: seconds of one core for the start of a lane, which imports a framework, and for a case by its family and level: means
#: over JAX, PyTorch and TensorFlow
_START = 3.0
_SECONDS: dict[str, tuple[float, ...]] = {
    "mlp": (0.5, 0.6, 0.4, 0.6, 14.0, 3.4),
    "conv": (0.3, 0.9, 0.9, 0.8),
    "style": (0.7, 2.2, 0.3, 1.2, 14.0, 9.0),
}
#: the factor of the seconds of a case that only the profile full runs, up to L3
_COSTLY = 5.5


class SelectionError(AlaeError):
    """A selection of cases that do not exist."""


@dataclass(frozen=True)
class Selection:
    """The ids, levels and lanes of the cases to run; each is unrestricted if empty."""

    cases: Collection[str] = ()
    levels: Collection[int] = ()
    lanes: Collection[str] = ()

    @property
    def partial(self) -> bool:
        """Whether it excludes some cases of a lane, or float32, the required lane."""
        return bool(self.cases or self.levels or (self.lanes and "float32" not in self.lanes))


def select(profile: Profile, selection: Selection | None = None) -> list[Task]:
    """Return the cases of a profile in each of their lanes; "smoke" is float32 only.

    They come lane by lane, then fixture by fixture, because those of a fixture share compiled functions, lowest level
    first.

    A case selected by its id runs whatever the profile. A case that reads checkpoints also selects the case that writes
    them. Raises SelectionError if a case or lane is unknown, or no case is left.
    """
    selection = selection or Selection()
    for kind, names, known in (("case", selection.cases, cases()), ("lane", selection.lanes, LANES)):
        for name in names:
            if name not in known:
                raise SelectionError(
                    f"there is no {kind} {name!r:.80}: `alae conform --list --profile full` names them all"
                )
    wanted = PROFILES[: PROFILES.index(profile) + 1]
    selected = [
        (case, lane)
        for lane in LANES
        if (lane in selection.lanes if selection.lanes else lane == "float32" or profile != "smoke")
        for case in cases().values()
        if lane in case.lanes
        and (case.id in selection.cases if selection.cases else case.profile_in(lane) in wanted)
        and (not selection.levels or case.level in selection.levels)
    ]
    chosen = {(case.id, lane) for case, lane in selected}
    read = {(case.fixture, experiment_of(case).reads, lane) for case, lane in selected}
    tasks = [
        (case, lane)
        for lane in LANES
        for case in _by_fixture()
        if (case.id, lane) in chosen or ((case.fixture, case.experiment, lane) in read and lane in case.lanes)
    ]
    if not tasks:
        raise SelectionError("no case is left to run: `alae conform --list --profile full` names cases and their lanes")
    return tasks


def _by_fixture() -> list[Case]:
    order = list(dict.fromkeys(case.fixture for case in cases().values()))
    return sorted(cases().values(), key=lambda case: order.index(case.fixture))


def estimate_seconds(tasks: Sequence[Task], backends: int, cores: int) -> int:
    """Return about how many seconds a run takes on idle cores."""
    lanes = len({lane for _, lane in tasks})
    seconds = sum(_estimate_case(case, lane) for case, lane in tasks)
    return round(backends * (lanes * _START + seconds) / min(cores, backends * lanes))


def _estimate_case(case: Case, lane: Lane) -> float:
    family = config_of(fixtures()[case.fixture], case.lanes[0]).networks.family
    costly = case.level < 4 and case.profile_in(lane) == "full"
    return _SECONDS[family][case.level] * (_COSTLY if costly else 1)


def split_into_waves(tasks: Sequence[Task]) -> list[list[Task]]:
    """Split tasks into long runs and those that write checkpoints, and all others, some of which read these."""
    return [[task for task in tasks if experiment_of(task[0]).optimized is first] for first in (True, False)]


def requirements(tasks: Sequence[Task], selection: Selection, require: Claim, claim: Claim) -> Claim:
    """Return the levels that a backend must hold: all of `require`, and `claim` as far as these cases can show it.

    Raises ClaimError if the cases cannot show a required level.
    """
    most = {} if selection.partial else provable_levels(tasks)
    for lane, level in require.items():
        if level > most.get(lane, -1):
            shown = ",".join(f"{lane}:L{level}" for lane, level in most.items())
            why = f"it shows at most {shown}; --profile full shows all" if shown else "it selects among its cases"
            raise ClaimError(f"{lane}:L{level} is required, which this run cannot show: {why}")
    shown_of_it = {lane: min(level, most[lane]) for lane, level in claim.items() if lane in most}
    return {lane: max(require.get(lane, 0), shown_of_it.get(lane, 0)) for lane in {**require, **shown_of_it}}
