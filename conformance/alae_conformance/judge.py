"""Judging one backend: a process for each lane, and a record of each case."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from alae_conformance.answers import weight_norms
from alae_conformance.case import Case, experiment_of
from alae_conformance.case_files import SuiteError
from alae_conformance.claims import Claim
from alae_conformance.comparison import Comparison, Observations, compare
from alae_conformance.diagnosis import first_divergence
from alae_conformance.experiments.portability import expected_from_each
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import fixtures
from alae_conformance.numbers import Numbers
from alae_conformance.record import BackendRecord, CaseRecord, CheckRecord, Status, levels_of
from alae_conformance.selection import Task
from alae_conformance.subjects import Hello, Subject
from alae_conformance.subjects.process import Process, SubjectError, SubjectLost
from alae_conformance.subjects.processes import Processes, start_processes
from alae_conformance.tolerances import LANES, TOLERANCES, Lane
from alae_conformance.xfail import Xfail
from alae_core._support.text import one_line
from alae_core.errors import BackendError

#: seconds that a backend may take for one answer; compiling for 128 pixels, the slowest, takes a correct one about 100
PATIENCE = 600.0
#: processes that a backend may lose in a lane; then its other cases in the lane count as errors without being run
_LOSSES = 3

#: text in the last output of a process if its XLA lacks a flag of `QUICK_COMPILATION`
_UNKNOWN_FLAG = "in XLA_FLAGS"

#: the result of an experiment or of its diagnosis
Answer = TypeVar("Answer")
Listener = Callable[[str, CaseRecord], None]
#: a lane, and whether XLA compiles without optimizing, of cases that share a process
_Key = tuple[Lane, bool]


class Judge:
    """Judges one backend in a process for each lane, which is restarted if it is lost.

    A process holds the runs of one fixture at a time, because compiled functions take much memory. XLA optimizes only
    experiments that are `optimized`, in a process of their own, and if `quick`, none.
    """

    def __init__(
        self,
        name: str,
        numbers: Numbers,
        checkpoints: Path,
        xfails: Mapping[tuple[str, str, str], Xfail],
        on_case: Listener = lambda backend, record: None,
        patience: float = PATIENCE,
        device: str | None = None,
        quick: bool = False,
    ) -> None:
        self.name, self.numbers, self.checkpoints = name, numbers, checkpoints
        self.xfails, self.on_case, self.patience, self.device = xfails, on_case, patience, device
        self.quick = quick
        self.hello: Hello | None = None
        self.cases: list[CaseRecord] = []
        # Each with the fixture of its last case.
        self._processes: dict[_Key, tuple[Process | Processes, str]] = {}
        self._failed_starts: dict[Lane, SubjectError | _Refused] = {}
        self._losses = dict.fromkeys(LANES, 0)
        self._has_flags = True  # unless its XLA has shown that it lacks them

    def run(self, tasks: Sequence[Task], backends: Sequence[str]) -> None:
        """Judge the cases, each in its lane, and end their processes; `backends` are all that this run judges."""
        try:
            for case, lane in tasks:
                self.run_case(case, lane, backends)
        finally:
            for key in {self._key(task) for task in tasks}:
                self._end(key)

    def split(self, tasks: Iterable[Task]) -> list[list[Task]]:
        """Split tasks into those that share a process."""
        groups: dict[_Key, list[Task]] = {}
        for task in tasks:
            groups.setdefault(self._key(task), []).append(task)
        return list(groups.values())

    def run_case(self, case: Case, lane: Lane, backends: Sequence[str]) -> CaseRecord:
        """Judge one case in one lane; every failure is recorded, and only SuiteError is raised."""
        clock, message, details = time.monotonic(), "", ""
        status: Status = "passed"
        comparisons: list[Comparison] = []
        observed: Observations = {}
        writers = ("reference", *(name for name in backends if name != self.name))
        experiment = experiment_of(case)
        try:
            observed = self._ask(case, lane, writers, experiment.run)
            comparisons = compare_case(case, lane, observed, self.numbers, writers)
            if not all(comparison.passed for comparison in comparisons):
                status = "failed"
                if experiment.traced:
                    # The case has failed, even if the diagnosis fails too.
                    with suppress(Exception):
                        message = self._ask(case, lane, writers, self._diagnosis(case, lane))
        except _Refused as error:
            # Only float32 is required of a backend.
            status, message = ("error" if lane == "float32" else "unsupported"), str(error)
        except SuiteError:
            raise
        except SubjectError as error:
            status, message, details = "error", str(error), error.details
        except Exception as error:  # noqa: BLE001 - an answer may have any form; the other cases must still run
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
            curves=curves_of({key: observed[key] for key in observed.keys() & self.numbers.expected(case.id).keys()}),
        )
        self.cases.append(record)
        self.on_case(self.name, record)
        return record

    def record(self, required: Claim | None = None, *, partial: bool = False) -> BackendRecord:
        """Return the record of all cases so far; `required` and `partial` are those of the whole run."""
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
        # A copy, because a lane that another one has interrupted may still start a process.
        for key in list(self._processes):
            self._end(key)

    def _key(self, task: Task) -> _Key:
        case, lane = task
        return lane, self.quick or not experiment_of(case).optimized

    def _end(self, key: _Key) -> None:
        held = self._processes.pop(key, None)
        if held:
            held[0].close()

    def _diagnosis(self, case: Case, lane: Lane) -> Callable[[Subject, Setting], str]:
        tolerance, norms = TOLERANCES["step", lane], weight_norms(self.numbers.tape(case.fixture))
        return lambda subject, setting: first_divergence(subject, setting, tolerance, norms)

    def _ask(
        self, case: Case, lane: Lane, writers: tuple[str, ...], experiment: Callable[[Subject, Setting], Answer]
    ) -> Answer:
        if self._losses[lane] >= _LOSSES:
            raise SubjectError(f"not run: the process was lost {_LOSSES} times in this lane", "")
        tape = self.numbers.tape(case.fixture)
        setting = Setting(fixtures()[case.fixture], lane, tape, self.checkpoints, writers)
        key = _, quick = self._key((case, lane))
        try:
            if key not in self._processes:
                self._processes[key] = self._start(lane, quick and self._has_flags), case.fixture
            process, fixture = self._processes[key]
            if fixture != case.fixture:
                process.forget()
                self._processes[key] = process, case.fixture
            self.hello = self.hello or _validate_hello(process.hello())
            return experiment(process, setting)
        except SubjectLost as error:
            self._end(key)
            if self._has_flags and quick and _UNKNOWN_FLAG in error.details:
                self._has_flags = False
                return self._ask(case, lane, writers, experiment)
            self._losses[lane] += 1
            raise

    def _start(self, lane: Lane, quick: bool) -> Process | Processes:
        if lane not in self._failed_starts:
            try:
                return start_processes(self.name, lane, self.patience, self.device, quick)
            except BackendError as error:
                self._failed_starts[lane] = _Refused(str(error))
            except SubjectError as error:
                # A backend that fails or hangs at its start would do so again in each case.
                self._failed_starts[lane] = error
        raise self._failed_starts[lane]


class _Refused(Exception):
    """The backend does not support this lane."""


def _validate_hello(answer: Any) -> Hello:
    try:
        return TypeAdapter(Hello).validate_python(answer, strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise SubjectError(f"the backend's {where} is {problem['input']!r:.80}: {problem['msg']}", "") from error


def compare_case(
    case: Case, lane: Lane, observed: Observations, numbers: Numbers, writers: Sequence[str] = ("reference",)
) -> list[Comparison]:
    """Compare the outcome of a case with the expected one.

    `writers` are the subjects that wrote the checkpoints that the case reads, if any. Raises SuiteError if the compared
    checks are not those that the case lists.
    """
    expected = dict(numbers.expected(case.id))
    if experiment_of(case).reads:
        expected = expected_from_each(expected, writers)
    tolerance = None if case.tolerance in ("exact", "statistics") else TOLERANCES[case.tolerance, lane]
    comparisons = compare(observed, expected, tolerance, weight_norms(numbers.tape(case.fixture)))
    compared = {comparison.check for comparison in comparisons}
    # If an observation is missing, the case has failed, and its check need not have compared anything.
    if compared != set(case.checks) and observed.keys() == expected.keys():
        raise SuiteError(f"{case.id} lists the checks {case.checks}, but compared {sorted(compared)}")
    return comparisons


def summarise(comparisons: Sequence[Comparison]) -> list[CheckRecord]:
    """Summarise each check by its worst comparison."""
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


def curves_of(observations: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the observations that the report plots: losses by step, and reciprocity errors by seed and step."""
    # A backend's answer may have any shape; a wrong shape has already failed the case.
    dimensions = {"trajectory": 1, "reciprocity": 2}
    return {
        key: array.tolist()
        for key, array in observations.items()
        if array.ndim == dimensions.get(key.partition("/")[0], -1) and array.dtype.kind == "f" and array.size < 1000
    }


def _badness(comparison: Comparison) -> float:
    return float("inf") if np.isnan(comparison.ratio) else comparison.ratio


def _printable(text: str) -> str:
    # An exception's text may contain lone surrogates, which no file can hold.
    return text.encode("utf-8", "replace").decode()
