"""Stop a run on a signal, and save it first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: saves a run that a signal stopped; returns a sentence about it
Save = Callable[[signal.Signals], str]


class Stop:
    """How a signal stops a run.

    In `recording`, the run itself asks for the signal after each step. If another thread calls `save`, it takes the
    run's place: the run's thread waits when it next calls `hold`, until the process ends.

    Attributes:
        signal: the first signal that was recorded, or None.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
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
        self._taken.set()
        # Not released, so that the run does nothing more.
        self._lock.acquire()
        return self._save(number) if self._save else "no step was taken"

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within the context, record the first SIGINT or SIGTERM; the second one takes effect at once.

        Python delivers signals to the main thread only; in other threads, such as a notebook's, they are not caught.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def record(number: int, frame: FrameType | None) -> None:
            self.signal = signal.Signals(number)
            signal.signal(number, handlers[self.signal])

        try:
            for number in handlers:
                signal.signal(number, record)
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
