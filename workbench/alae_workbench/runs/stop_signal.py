"""Save a run before Ctrl-C or SIGTERM ends it."""

import signal
import threading
from types import FrameType


class StopSignal:
    """A context manager that records the first SIGINT or SIGTERM in `signal`; the second one takes effect at once."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __enter__(self) -> "StopSignal":
        self._handlers = {}
        # Python delivers signals to the main thread only; in other threads, such as a notebook's, they are not caught.
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._record) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        signal.signal(number, self._handlers[self.signal])
