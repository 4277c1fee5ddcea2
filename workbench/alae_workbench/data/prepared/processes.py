"""Shards written by several processes, which end when one fails, a person stops them, or their parent dies."""

import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from alae_core import AlaeError
from alae_workbench.data.prepared.shards import Job, write_shard

# How long the counting of pictures may lag behind.
_SECONDS = 0.2


def write_shards(jobs: Iterable[Job], workers: int, told: Callable[[int], None]) -> None:
    """Write shards in so many processes; by one, in this.

    Args:
        jobs: asked for one after another, as processes become free.
        workers: how many processes.
        told: called with how many more pictures are done, every now and then.

    Raises what `shards.write_shard` raises, and AlaeError where a process was killed.
    """
    if workers == 1:
        for job in jobs:
            write_shard(job, told)
        return
    # Not by forking: a parent may have started threads, or a framework.
    context = get_context("spawn")
    done, stopped = context.Value("Q", 0), context.Event()
    counted = 0

    def count() -> None:
        nonlocal counted
        now = done.value
        if now > counted:
            told(now - counted)
            counted = now

    with ProcessPoolExecutor(workers, context, _begin, (done, stopped)) as pool:
        running: set[Future[None]] = set()
        try:
            for job in jobs:
                running.add(pool.submit(_write, job))
                # One more than there are processes, so that none waits.
                while len(running) > workers:
                    running = _waited(running, count)
            while running:
                running = _waited(running, count)
            count()
        except BrokenProcessPool as error:
            raise AlaeError(
                "a process that prepared images was killed, or could not start: with fewer workers (--workers) less "
                "memory is needed; the same command goes on"
            ) from error
        finally:
            stopped.set()


def _waited(running: set[Future[None]], count: Callable[[], None]) -> set[Future[None]]:
    finished, running = wait(running, _SECONDS, FIRST_COMPLETED)
    count()
    for each in finished:
        each.result()
    return running


# What a process shares with its parent.
_shared: dict[str, Any] = {}


class _Stopped(Exception):
    """Nobody waits for this shard any more."""


def _begin(done: Any, stopped: Any) -> None:
    _shared.update(done=done, stopped=stopped)
    # A person's Ctrl-C reaches the parent too, which says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write(job: Job) -> None:
    write_shard(job, _counted)


def _counted(count: int) -> None:
    with _shared["done"].get_lock():
        _shared["done"].value += count
    if _shared["stopped"].is_set():
        raise _Stopped
