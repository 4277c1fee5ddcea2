"""Stop a run on a signal, and save it first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from alae_core.spread import Peers
from alae_workbench.runs.together import End, Together, end_process

#: saves a run that a signal stopped; returns a sentence about it
Save = Callable[[signal.Signals], str]


class Stop:
    """How a signal stops a run.

    In `recording`, the run itself asks for the signal after each step. If another thread calls `save`, it takes the
    run's place: the run's thread waits when it next calls `hold`, until the process ends.

    If several processes train together, the first one saves, whichever gets the signal, and all of them end.

    Args:
        catches_signals: whether the run should use `recording`; otherwise SIGINT and SIGTERM are the caller's.
        end: ends this process at once, with an exit code and a line of text, when another process of the run ends.

    Attributes:
        signal: the first signal that was recorded, or None.
    """

    def __init__(self, *, catches_signals: bool = False, end: End = end_process) -> None:
        self.signal: signal.Signals | None = None
        self.catches_signals, self._end_process = catches_signals, end
        self._together: Together | None = None
        self._lock = threading.Lock()
        self._taken = threading.Event()
        self._save: Save | None = None

    def save_by(self, save: Save) -> None:
        """From now on, let `self.save` call `save`."""
        self._save = save

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep `save` waiting, while the state of the run changes or its files are written."""
        if self._taken.is_set():
            threading.Event().wait()
        with self._lock:
            yield

    def save(self, number: signal.Signals) -> str:
        """Save the run from another thread, which then ends the process. Returns a sentence about it."""
        if self._together and not self._together.is_first:
            self._together.request_stop(number)
            self._together.await_end()
            return "the first process saved the run"
        self._taken.set()
        # Not released, so that the run does nothing more.
        self._lock.acquire()
        try:
            return self._save(number) if self._save else "no step was taken"
        finally:
            self.announce_end(128 + number)

    def join(self, peers: Peers) -> None:
        """From now on, end together with the other processes of the run."""
        self._together = Together(peers, self._end_process)

    def announce_end(self, code: int) -> None:
        """Tell the other processes of the run, if there are any, that this one ends with an exit code."""
        if self._together:
            self._together.announce_end(code)

    def await_end(self) -> None:
        """Wait until the first process of the run has ended it."""
        if self._together:
            self._together.await_end()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within the context, record the first SIGINT or SIGTERM; the second one takes effect at once.

        Of several processes, one that is not the first tells the first one. Python delivers signals to the main thread
        only; in other threads, such as a notebook's, they are not caught.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def record(number: int, frame: FrameType | None) -> None:
            self.signal = signal.Signals(number)
            signal.signal(number, handlers[self.signal])
            if self._together and not self._together.is_first:
                self._together.request_stop(self.signal)

        try:
            for number in handlers:
                signal.signal(number, record)
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
