"""Let the processes of a run on several devices end together: after a signal to any of them, or an error in one.

The first process alone writes files. It ends when it has saved, and tells the others; until then they take their part
in its steps.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from alae_core import PeerError
from alae_core.spread import Peers

#: ends this process at once with an exit code and a line of text
End = Callable[[int, str], None]

# Seconds between two looks at what other processes have published.
_INTERVAL = 0.2
# Maximum seconds that the first process waits for the others to leave.
_PATIENCE = 5.0
# The keys of what processes publish: the number of a signal; the rank and exit code of the first process that ends.
_STOP, _END, _LEFT = "stop", "end", "left"


class Together:
    """This process of a run, as one of several.

    Args:
        peers: the processes.
        end: ends this process, in another thread than the run's, which may be waiting for a process that has ended.
    """

    def __init__(self, peers: Peers, end: End) -> None:
        self.peers, self._end = peers, end
        self._ending = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def is_first(self) -> bool:
        """Whether this is the first process, which writes the run's files."""
        return self.peers.rank == 0

    def announce_end(self, code: int) -> None:
        """Tell the other processes that this one ends with an exit code, and wait until they have left.

        If another one has ended before, which may be the cause, end like that one.
        """
        if self._ending.is_set():
            return
        self._ending.set()
        # The process that keeps what is published may be gone.
        with suppress(PeerError):
            if ended := self.peers.read(_END):
                self._end_like(ended)
            self.peers.publish(_END, f"{self.peers.rank} {code}")
            others = {rank for rank in range(self.peers.processes) if rank != self.peers.rank}
            until = time.monotonic() + _PATIENCE
            while others and time.monotonic() < until:
                others = {rank for rank in others if self.peers.read(f"{_LEFT}/{rank}") is None}
                time.sleep(_INTERVAL / 10)

    def request_stop(self, number: signal.Signals) -> None:
        """Ask the first process to save and end the run after a signal to this one."""
        self.peers.publish(_STOP, str(int(number)))

    def await_end(self) -> None:
        """Wait until another process has ended the run, and tell it that this one leaves too."""
        while self.peers.read(_END) is None:
            time.sleep(_INTERVAL)
        self._leave()

    def _leave(self) -> None:
        self._ending.set()
        self.peers.publish(f"{_LEFT}/{self.peers.rank}", "")

    def _watch(self) -> None:
        """End this process when another one has ended, or pass a signal to another process on to this one."""
        signalled = False
        while not self._ending.wait(_INTERVAL):
            try:
                ended = self.peers.read(_END)
                stop = self.peers.read(_STOP) if self.is_first and not signalled else None
            except PeerError as error:
                if not self._ending.is_set():
                    self._end(5, str(error))
                return
            # After the last step, the run's own thread waits for the first process.
            if ended and not ended.endswith(" 0"):
                self._end_like(ended)
            if stop:
                signalled = True
                os.kill(os.getpid(), int(stop))

    def _end_like(self, ended: str) -> None:
        """End this process with the exit code of the one that ended first."""
        self._leave()
        rank, code = map(int, ended.split())
        text = f"stopped by {signal.Signals(code - 128).name}" if code > 128 else f"ended with exit code {code}"
        self._end(code, f"process {self.peers.rank} of {self.peers.processes} ends, because process {rank} {text}")


def end_process(code: int, text: str) -> None:
    """Print a line and end this process at once; its main thread may be waiting for a process that has ended."""
    print(text, file=sys.stderr, flush=True)
    os._exit(code)
