"""Train the runs of an ablation through joblib, each in a new process.

Frameworks cache compiled functions and set their precision per process, so runs do not share one. joblib's tasks start
these processes and wait for them: by default in threads, and within `joblib.parallel_config` on another of its engines,
such as Ray.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from alae_core import AlaeError
from alae_core._support.processes import limit_threads, stop_with_parent, terminate_once

if TYPE_CHECKING:
    from alae_workbench.ablation.matrix import Cell


def train_cells(train: "Callable[[Cell], None]", cells: "Sequence[Cell]", jobs: int) -> "Iterator[Cell]":
    """Call `train`, which can be pickled, with each cell in a new process, and yield the cells as they finish.

    At most `jobs` processes run at once. On this machine they share its cores, unless environment variables set their
    numbers of threads. After an error or Ctrl-C, all end; runs save their state first.

    Raises the first error of `train`; AlaeError if a process was killed.
    """
    # Not at the top: it imports NumPy, which creates its threads at once, and every process imports this module first.
    import joblib

    engine, _ = joblib.parallel.get_active_backend(prefer="threads")
    in_threads = getattr(engine, "supports_sharedmem", False)
    threads = max(1, joblib.cpu_count() // jobs) if jobs > 1 and in_threads else None
    # Ray's engine for joblib returns all results at the end.
    order = "generator_unordered" if engine.supports_return_generator else "list"
    others = set(multiprocessing.active_children())
    try:
        yield from joblib.Parallel(jobs, prefer="threads", return_as=order, batch_size=1)(
            joblib.delayed(_train_in_new_process)(train, cell, threads) for cell in cells
        )
    except BaseException:
        children = set(multiprocessing.active_children()) - others
        terminate_once(children)
        for child in children:
            child.join()
        raise


def _train_in_new_process(train: "Callable[[Cell], None]", cell: "Cell", threads: int | None) -> "Cell":
    if multiprocessing.get_start_method() == "loky":
        # loky, an engine of joblib, sets a way to start processes that the new process could not find.
        multiprocessing.set_start_method("spawn", force=True)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin, (threads,)) as pool:
        try:
            pool.submit(train, cell).result()
        except BrokenProcessPool as error:
            raise AlaeError(
                f"the process that trained {cell.path} was killed: fewer jobs (--jobs) need less memory; run the same "
                "command again to continue"
            ) from error
    return cell


def _begin(threads: int | None) -> None:
    if threads:
        limit_threads(threads)
    stop_with_parent()
