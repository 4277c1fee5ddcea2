"""The suite itself: every case on every backend, in processes of their own, and the record of it."""

import platform
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from alae_conformance import vectors
from alae_conformance.claims import Claim, ClaimError, judged
from alae_conformance.diagnosis import RUNS, first_divergence
from alae_conformance.experiments import EXPERIMENTS, Setting
from alae_conformance.judge import Comparison, Observations, judge
from alae_conformance.numbers import Fresh, Frozen, Numbers, weight_norms
from alae_conformance.record import BackendRecord, CaseRecord, CheckRecord, Report, Status, levels_of
from alae_conformance.subjects import Hello, Subject
from alae_conformance.subjects.process import Process, SubjectError, SubjectLost
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.tolerances import LANES, TOLERANCES, Lane
from alae_conformance.vectors import Case, Profile, VectorsError
from alae_conformance.xfail import Xfail
from alae_core._support.text import one_line
from alae_core.config import SPECIFICATION
from alae_core.errors import AlaeError, BackendError

#: seconds that a plug-in may take for one answer: the longest, compiling for 128 pixels, takes a sound one a hundred
PATIENCE = 600.0
#: processes that a backend may lose in one lane before the rest of its cases count as errors unseen
_LOSSES = 3

#: what an experiment, or its diagnosis, finds
Answer = TypeVar("Answer")
Listener = Callable[[str, CaseRecord], None]


class ChoiceError(AlaeError):
    """A choice of cases that there are not."""


@dataclass(frozen=True)
class Choice:
    """Which cases run: those of any of these ids, levels and lanes; all, where none is said."""

    cases: Collection[str] = ()
    levels: Collection[int] = ()
    lanes: Collection[str] = ()

    @property
    def partial(self) -> bool:
        """Whether what runs is less than every case of a lane, or lacks the one lane that is required."""
        return bool(self.cases or self.levels or (self.lanes and "float32" not in self.lanes))


def conform(
    backends: Sequence[str],
    profile: Profile = "standard",
    *,
    choice: Choice | None = None,
    device: str | None = None,
    fresh: int | None = None,
    xfails: Mapping[tuple[str, str, str], Xfail] | None = None,
    require: Claim | None = None,
    claims: Mapping[str, Claim] | None = None,
    on_case: Listener = lambda backend, record: None,
    patience: float = PATIENCE,
) -> Report:
    """Judge backends by the cases of a profile.

    Args:
        backends: names of plug-ins, as `alae.backends` registers them.
        profile: "smoke" is L0 and half of L1 in float32, "standard" L0 to L3, "full" everything.
        choice: which of its cases.
        device: where the backends compute, in their own words.
        fresh: draw new numbers from this seed instead of taking the frozen ones.
        xfails: from `read_xfails`.
        require: what every backend must hold.
        claims: what each must hold besides, as far as these cases can show it, from `read_claims`.
        on_case: called with a backend's name and each of its cases as it ends, from any thread.
        patience: seconds to wait for one answer.

    Raises:
        ChoiceError: there is no such case.
        ClaimError: what is required is more than these cases can show.
        VectorsError: the suite's own files are damaged.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    numbers: Numbers = Frozen() if fresh is None else Fresh(fresh)
    choice = choice or Choice()
    chosen = select(profile, choice)
    required = {name: requirements(chosen, choice, require or {}, (claims or {}).get(name, {})) for name in backends}
    with tempfile.TemporaryDirectory(prefix="alae-conformance-") as checkpoints:
        home = Path(checkpoints)
        leave_reference_checkpoints(chosen, numbers, home)
        judges = [Judge(name, numbers, home, xfails or {}, on_case, patience, device) for name in backends]
        with ThreadPoolExecutor(cpu_count() or 1) as pool:
            try:
                # Peers go on from each other's checkpoints, so all must have been written first.
                for peers in (False, True):
                    share = [task for task in chosen if (task[0].experiment == "peers") is peers]
                    # A lane has a process of its own: those of one backend need not wait for each other.
                    lanes = [(judge, [task for task in share if task[1] == lane]) for lane in LANES for judge in judges]
                    list(pool.map(lambda each: each[0].run(each[1], backends), lanes))
            finally:
                for each in judges:
                    each.close()
    order = [(case.id, lane) for case, lane in chosen]
    for each in judges:
        each.cases.sort(key=lambda record: order.index((record.case, record.lane)))
    return Report(
        alae=version("alae"),
        specification=SPECIFICATION,
        manifest=vectors.manifest_hash(),
        profile=profile,
        fresh=fresh,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 1),
        platform=platform.platform(),
        python=sys.version.split()[0],
        backends=[each.record(required[each.name], partial=choice.partial) for each in judges],
        reference={case.id: curves for case, _ in chosen if (curves := _curves(numbers.expected(case.id)))},
    )


def select(profile: Profile, choice: Choice | None = None) -> list[tuple[Case, Lane]]:
    """The cases of a profile in each of their lanes, lane by lane, lowest level first; smoke is float32 only.

    A case that is chosen by its id runs whatever the profile. What goes on from checkpoints brings the case that writes
    them. Raises ChoiceError where a case is unknown, or none is left.
    """
    choice, every = choice or Choice(), vectors.cases()
    for kind, names, known in (("case", choice.cases, every), ("lane", choice.lanes, LANES)):
        for name in names:
            if name not in known:
                raise ChoiceError(
                    f"there is no {kind} {name!r:.80}: `alae conform --list --profile full` names them all"
                )
    wanted = vectors.PROFILES[: vectors.PROFILES.index(profile) + 1]
    chosen = [
        case
        for case in every.values()
        if (case.id in choice.cases if choice.cases else case.profile in wanted)
        and (not choice.levels or case.level in choice.levels)
    ]
    read = {case.fixture for case in chosen if case.experiment == "peers"}
    tasks = [
        (case, lane)
        for lane in LANES
        if (lane in choice.lanes if choice.lanes else lane == "float32" or profile != "smoke")
        for case in every.values()
        if (case in chosen or (case.experiment == "portability" and case.fixture in read)) and lane in case.lanes
    ]
    if not tasks:
        raise ChoiceError("no case is left to run: `alae conform --list --profile full` names them, and their lanes")
    return tasks


def requirements(tasks: Sequence[tuple[Case, Lane]], choice: Choice, require: Claim, claim: Claim) -> Claim:
    """What a backend must hold in these cases: all of `require`, and as much of `claim` as they can show.

    Raises ClaimError where they cannot show what is required.
    """
    most = {} if choice.partial else judged(tasks)
    for lane, level in require.items():
        if level > most.get(lane, -1):
            shown = ",".join(f"{lane}:L{level}" for lane, level in most.items())
            why = f"it shows at most {shown}; --profile full shows all" if shown else "it chooses among its cases"
            raise ClaimError(f"{lane}:L{level} is required, which this run cannot show: {why}")
    shown_of_it = {lane: min(level, most[lane]) for lane, level in claim.items() if lane in most}
    return {lane: max(require.get(lane, 0), shown_of_it.get(lane, 0)) for lane in {**require, **shown_of_it}}


class Judge:
    """One backend before the suite: a process for each lane, restarted where it was lost."""

    def __init__(
        self,
        name: str,
        numbers: Numbers,
        checkpoints: Path,
        xfails: Mapping[tuple[str, str, str], Xfail],
        on_case: Listener = lambda backend, record: None,
        patience: float = PATIENCE,
        device: str | None = None,
    ) -> None:
        self.name, self.numbers, self.checkpoints = name, numbers, checkpoints
        self.xfails, self.on_case, self.patience, self.device = xfails, on_case, patience, device
        self.hello: Hello | None = None
        self.cases: list[CaseRecord] = []
        self._processes: dict[Lane, Process] = {}
        self._unstarted: dict[Lane, SubjectError | _Refused] = {}
        self._losses = dict.fromkeys(LANES, 0)

    def run(self, tasks: Sequence[tuple[Case, Lane]], backends: Sequence[str]) -> None:
        """Judge the cases, each in its lane; `backends` are all that are judged in this run."""
        for case, lane in tasks:
            self.run_case(case, lane, backends)

    def run_case(self, case: Case, lane: Lane, backends: Sequence[str]) -> CaseRecord:
        """Judge one case in one lane; whatever goes wrong is in the record."""
        clock, message, details = time.monotonic(), "", ""
        status: Status = "passed"
        comparisons: list[Comparison] = []
        found: Observations = {}
        peers = ("reference", *(name for name in backends if name != self.name))
        try:
            found = self._ask(case, lane, peers, EXPERIMENTS[case.experiment])
            comparisons = compare(case, lane, found, self.numbers, peers)
            if not all(comparison.passed for comparison in comparisons):
                status = "failed"
                if case.experiment in RUNS:
                    # It has failed, whatever looking closer meets.
                    with suppress(Exception):
                        message = self._ask(case, lane, peers, self._diagnosis(case, lane))
        except _Refused as error:
            # Only float32 is required of a backend.
            status, message = ("error" if lane == "float32" else "unsupported"), str(error)
        except VectorsError:
            raise
        except SubjectError as error:
            status, message, details = "error", str(error), error.details
        except Exception as error:  # noqa: BLE001 - what it answered may have any form, and the others go on
            status, message = "error", f"{type(error).__name__}: {error}"
        xfail = self.xfails.get((self.name, case.id, lane))
        if xfail and status != "unsupported":
            stale = f"it passes, so the xfail ({xfail.link}) is out of date: delete it"
            status, message = ("stale", stale) if status == "passed" else ("expected", f"{xfail.reason}: {xfail.link}")
        record = CaseRecord(
            case=case.id,
            level=case.level,
            lane=lane,
            status=status,
            seconds=round(time.monotonic() - clock, 2),
            message=one_line(message),
            details=_printable(details),
            checks=summarise(comparisons),
            curves=_curves({key: found[key] for key in found.keys() & self.numbers.expected(case.id).keys()}),
        )
        self.cases.append(record)
        self.on_case(self.name, record)
        return record

    def record(self, required: Claim | None = None, *, partial: bool = False) -> BackendRecord:
        """All that was seen; what was required, and whether the cases were chosen, is the run's to say."""
        return BackendRecord(
            name=self.name,
            device=self.hello["device"] if self.hello else "unknown",
            keras_backend=self.hello["keras_backend"] if self.hello else "unknown",
            versions=self.hello["versions"] if self.hello else {},
            cases=self.cases,
            levels=levels_of(self.cases),
            required=required or {},
            partial=partial,
        )

    def close(self) -> None:
        """End its processes."""
        for process in self._processes.values():
            process.close()
        self._processes.clear()

    def _diagnosis(self, case: Case, lane: Lane) -> Callable[[Subject, Setting], str]:
        tolerance, norms = TOLERANCES["step", lane], weight_norms(self.numbers.tape(case.fixture))
        return lambda subject, setting: first_divergence(subject, setting, tolerance, norms)

    def _ask(
        self, case: Case, lane: Lane, peers: tuple[str, ...], experiment: Callable[[Subject, Setting], Answer]
    ) -> Answer:
        if self._losses[lane] >= _LOSSES:
            raise SubjectError(f"not run: the process was lost {_LOSSES} times in this lane", "")
        setting = Setting(
            vectors.fixtures()[case.fixture], lane, self.numbers.tape(case.fixture), self.checkpoints, peers
        )
        try:
            if lane not in self._processes:
                self._processes[lane] = self._start(lane)
            self.hello = self.hello or _hello(self._processes[lane].hello())
            return experiment(self._processes[lane], setting)
        except SubjectLost:
            self._losses[lane] += 1
            if lane in self._processes:
                self._processes.pop(lane).close()
            raise

    def _start(self, lane: Lane) -> Process:
        if lane not in self._unstarted:
            try:
                return Process(self.name, lane, self.patience, self.device)
            except BackendError as error:
                self._unstarted[lane] = _Refused(str(error))
            except SubjectError as error:
                # What fails or hangs before anything was asked of it would do so again in each case.
                self._unstarted[lane] = error
        raise self._unstarted[lane]


class _Refused(Exception):
    """The plug-in does not load in this lane."""


def _hello(answer: Any) -> Hello:
    try:
        return TypeAdapter(Hello).validate_python(answer, strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        what = ".".join(map(str, problem["loc"]))
        raise SubjectError(f"the plug-in's {what} is {problem['input']!r:.80}: {problem['msg']}", "") from error


def compare(
    case: Case, lane: Lane, found: Observations, numbers: Numbers, peers: Sequence[str] = ("reference",)
) -> list[Comparison]:
    """Judge what was seen in a case. Each check that the case names must have compared something, and no other may."""
    expected = dict(numbers.expected(case.id))
    if case.experiment == "peers":
        # Whoever wrote the checkpoint, what follows from it is the same.
        expected = {
            key.replace("from reference", f"from {peer}"): array for key, array in expected.items() for peer in peers
        }
    tolerance = None if case.tolerance in ("exact", "statistics") else TOLERANCES[case.tolerance, lane]
    comparisons = judge(found, expected, tolerance, weight_norms(numbers.tape(case.fixture)))
    compared = {comparison.check for comparison in comparisons}
    # Where something is missing, that has failed, and what would have been compared with it need not be.
    if compared != set(case.checks) and found.keys() == expected.keys():
        raise VectorsError(f"{case.id} lists the checks {case.checks}, but compared {sorted(compared)}")
    return comparisons


def leave_reference_checkpoints(tasks: Sequence[tuple[Case, Lane]], numbers: Numbers, checkpoints: Path) -> None:
    """Write the checkpoints that every backend goes on from in L5."""
    for fixture in {case.fixture: None for case, _ in tasks if case.experiment == "portability"}:
        setting = Setting(vectors.fixtures()[fixture], "float32", numbers.tape(fixture), checkpoints)
        EXPERIMENTS["portability"](ReferenceSubject(), setting)


def summarise(comparisons: Sequence[Comparison]) -> list[CheckRecord]:
    """Each check's worst comparison."""
    by_check: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_check.setdefault(comparison.check, []).append(comparison)
    worst = {check: max(group, key=_badness) for check, group in by_check.items()}
    return [
        CheckRecord(
            check=check,
            compared=len(group),
            failed=sum(not comparison.passed for comparison in group),
            quantity=one_line(worst[check].quantity),
            error=worst[check].error,
            limit=worst[check].limit,
            ratio=worst[check].ratio,
            note=one_line(worst[check].note),
        )
        for check, group in by_check.items()
    ]


def _badness(comparison: Comparison) -> float:
    return float("inf") if np.isnan(comparison.ratio) else comparison.ratio


def _curves(observations: Mapping[str, np.ndarray]) -> dict[str, Any]:
    # A plug-in's answer may have any shape; one that is no curve has failed by then.
    dimensions = {"trajectory": 1, "reciprocity": 2}
    return {
        key: array.tolist()
        for key, array in observations.items()
        if array.ndim == dimensions.get(key.partition("/")[0], -1) and array.dtype.kind == "f" and array.size < 1000
    }


def _printable(text: str) -> str:
    # An exception's text may hold halves of characters, which no file can.
    return text.encode("utf-8", "replace").decode()
