"""Start and end child processes of `multiprocessing`: share the cores, end with their parent and with one signal."""

import os
import signal
import threading
from collections.abc import Iterable
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess

# These variables limit the threads of NumPy and PyTorch, of JAX, and of TensorFlow.
_LIMITS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    "NPROC",
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
_terminated: set[BaseProcess] = set()


def limit_threads(threads: int) -> None:
    """Let frameworks that are imported later use this many threads, except where a variable says otherwise."""
    for name in _LIMITS:
        os.environ.setdefault(name, str(threads))


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
