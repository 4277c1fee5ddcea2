"""The process of a lane, or the processes of a backend that needs one for each device."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from alae_conformance.subjects.process import Process, SubjectError, SubjectLost
from alae_conformance.tolerances import DEVICES, Lane
from alae_core.spread import describe_processes

#: seconds that the other processes have to answer after one has failed, for which they may wait
_GRACE = 10.0


class Processes:
    """A `Subject` that passes each call to several processes that train together, and returns the first one's answer.

    Methods raise the exception of the process that failed first, or SubjectLost if others had to be ended.
    """

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes
        self._pool = ThreadPoolExecutor(len(processes))
        variables = dict(zip(processes, describe_processes(len(processes)), strict=True))
        try:
            self._ask_all(lambda process: process.start(variables[process]))
        except BaseException:
            self.close()
            raise

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *arguments, **options: self._ask_all(
            lambda process: getattr(process, method)(*arguments, **options)
        )

    def close(self) -> None:
        """End the processes, in whatever state they are."""
        for process in self._processes:
            process.close()
        self._pool.shutdown()

    def _ask_all(self, ask: Callable[[Process], Any]) -> Any:
        answers = [self._pool.submit(ask, process) for process in self._processes]
        done, waiting = wait(answers, return_when=FIRST_EXCEPTION)
        failure = next((answer.exception() for answer in done if answer.exception()), None)
        if failure is None:
            return answers[0].result()
        _, late = wait(waiting, _GRACE)
        for answer, process in zip(answers, self._processes, strict=True):
            if answer in late:
                process.kill()
        wait(late)
        if late and isinstance(failure, SubjectError):
            raise SubjectLost(str(failure), failure.details) from failure
        raise failure


def start_processes(
    name: str, lane: Lane, patience: float, device: str | None, quick: bool = False
) -> Process | Processes:
    """Start the process of a lane, or in the lane devices those of a backend that needs one for each device.

    If `quick`, they compile without optimizing.

    Raises BackendError if the backend refuses the lane, and SubjectError if it fails.
    """
    first = Process(name, lane, patience, device, quick)
    if first.start():
        return first
    return Processes([first, *(Process(name, lane, patience, device, quick) for _ in range(DEVICES - 1))])
