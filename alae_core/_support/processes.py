"""End child processes of `multiprocessing`: with their parent, and with one signal."""

import os
import signal
import threading
from collections.abc import Iterable
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess

_terminated: set[BaseProcess] = set()


def terminate_once(children: Iterable[BaseProcess]) -> None:
    """Send SIGTERM to those child processes that have not had it: a second one would end a run before it has saved."""
    for child in set(children) - _terminated:
        _terminated.add(child)
        child.terminate()


def stop_with_parent() -> None:
    """From now on, send this process SIGTERM when the process that started it through `multiprocessing` has ended."""
    threading.Thread(target=_stop_with_parent, daemon=True).start()


def _stop_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
