"""Start one process per device of this machine, for a framework without a launcher of its own."""

import os
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from signal import Signals

from alae_cli import main
from alae_core._support.processes import limit_threads, stop_with_parent, terminate_once
from alae_core.errors import PeerError
from alae_core.spread import describe_processes

# Seconds that processes have to save and end after another one has failed, before they are killed.
_GRACE = 30


def launch_locally(processes: int, words: Sequence[str]) -> int:
    """Run `alae` with the arguments `words` in several processes of this machine.

    Returns the exit code of the first process that failed, or 0. `signals.waiting_first` passes signals on to them.

    Raises PeerError if a process was killed, and the others have ended.
    """
    # A fork would share the frameworks that this process has imported.
    context, threads = get_context("spawn"), max(1, (os.cpu_count() or 1) // processes)
    started = [
        context.Process(target=_run, args=(list(words), variables, threads))
        for variables in describe_processes(processes)
    ]
    for process in started:
        process.start()
    failed, deadline = None, float("inf")
    while running := [process for process in started if process.is_alive()]:
        wait([process.sentinel for process in running], timeout=1)
        if failed is None and (failed := next((process for process in started if process.exitcode), None)):
            deadline = time.monotonic() + _GRACE
            terminate_once(started)
        if time.monotonic() > deadline:
            for process in running:
                process.kill()
    if failed is None:
        return 0
    code = failed.exitcode or 0
    if code < 0:
        raise PeerError(
            f"process {started.index(failed)} of {processes} (pid {failed.pid}) was killed by {Signals(-code).name}, "
            "so the others were ended"
        )
    return code


def _run(words: Sequence[str], variables: dict[str, str], threads: int) -> None:
    os.environ.update(variables)
    limit_threads(threads)
    stop_with_parent()
    sys.argv[1:] = words
    main()
