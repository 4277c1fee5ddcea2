"""Write shards in several processes, which all end if one fails, on Ctrl-C, or if their parent dies."""

import signal
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from alae_core import AlaeError
from alae_core._support.processes import stop_with_parent
from alae_workbench.data.prepared.shards import Job, write_shard

# Seconds between two reports of progress.
_SECONDS = 0.2


def write_shards(jobs: Iterable[Job], workers: int, progress: Callable[[int], None]) -> None:
    """Write shards in several processes, or in this one if `workers` is 1.

    Args:
        jobs: the shards; the iterator is advanced when a process is free.
        workers: number of processes.
        progress: called repeatedly with the number of pictures read since the last call.

    Raises:
        DataError: as `shards.write_shard`.
        AlaeError: a process was killed.
    """
    if workers == 1:
        for job in jobs:
            write_shard(job, progress)
        return
    # A forked process would inherit the locks of the parent's threads, and its framework.
    context = get_context("spawn")
    done, stopped = context.Value("Q", 0), context.Event()
    reported = 0

    def report() -> None:
        nonlocal reported
        now = done.value
        if now > reported:
            progress(now - reported)
            reported = now

    with ProcessPoolExecutor(workers, context, _begin, (done, stopped)) as pool:
        running: set[Future[None]] = set()
        try:
            for job in jobs:
                running.add(pool.submit(_write, job))
                # Submit one job more than there are processes, so that all stay busy.
                while len(running) > workers:
                    running = _wait_for_one(running, report)
            while running:
                running = _wait_for_one(running, report)
            report()
        except BrokenProcessPool as error:
            raise AlaeError(
                "a process that prepared images was killed, or could not start: fewer workers (--workers) need less "
                "memory; run the same command again to continue"
            ) from error
        finally:
            stopped.set()


def _wait_for_one(running: set[Future[None]], report: Callable[[], None]) -> set[Future[None]]:
    finished, running = wait(running, _SECONDS, FIRST_COMPLETED)
    report()
    for future in finished:
        future.result()
    return running


# Objects that a process shares with its parent.
_shared: dict[str, Any] = {}


class _Stopped(Exception):
    """The parent no longer needs this shard."""


def _begin(done: Any, stopped: Any) -> None:
    _shared.update(done=done, stopped=stopped)
    # Ctrl-C reaches the parent too, which sets `stopped`.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop_with_parent()


def _write(job: Job) -> None:
    write_shard(job, _add_to_progress)


def _add_to_progress(count: int) -> None:
    with _shared["done"].get_lock():
        _shared["done"].value += count
    if _shared["stopped"].is_set():
        raise _Stopped
