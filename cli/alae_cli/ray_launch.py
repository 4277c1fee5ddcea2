"""Start one process per device on a Ray cluster, or on this machine, for `alae train --launcher ray`.

Ray reserves the devices and starts the processes, which then join as those of torchrun do. The library Ray Train is not
used: it would join them itself, differently for each framework, and run training in a thread, where Python handles no
signals.
"""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util import get_node_ip_address, placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from alae_core import BackendError, PeerError
from alae_core.spread import describe_cluster

# Seconds that processes have to save and end before they are killed: after a signal, and after another one has failed.
_GRACE, _GRACE_AFTER_FAILURE = 120, 30
# The stream of an event that is the exit code and the process's number.
_END = 0


class RayLauncher:
    """Starts the processes of one run; a launcher as `alae_torch.launch` is one."""

    ACCELERATORS = "GPUs in the Ray cluster"

    def __init__(self) -> None:
        self._workers: list[Any] = []
        self._gpus = 0
        self._signal: int | None = None
        self._deadline = float("inf")
        self._connect()

    def _connect(self) -> None:
        """Join the cluster that RAY_ADDRESS names, or that runs on this machine; start one if there is none."""
        # A cluster that starts here sends no statistics to Ray's authors, unless the user has chosen so.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ray.init(log_to_driver=False, logging_level="ERROR")
        except (RayError, ConnectionError, RuntimeError, ValueError) as error:
            raise BackendError(f"Ray cannot be reached or started: {error}") from error
        finally:
            # Ray replaces the command line's.
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def count_accelerators(self, device: str | None) -> int:
        """Return how many GPUs of the cluster a run on `device` may use: none if it is a CPU."""
        self._gpus = 0 if (device or "").startswith("cpu") else int(ray.cluster_resources().get("GPU", 0))
        return self._gpus

    def launch(self, processes: int, words: Sequence[str]) -> int:
        """Run Python with the arguments `words` in several processes of the cluster, and print their output.

        Returns the exit code of the first process that failed, or 0. Call it after `count_accelerators`.

        Raises PeerError if a process was killed or lost, and the others have ended.
        """
        try:
            if not self._reserve(processes):
                return 128 + (self._signal or 0)
            return self._follow(self._start(words))
        except RayTaskError as error:
            raise BackendError(f"Ray cannot start a process: {error.cause}") from error
        except RayError as error:
            raise PeerError(f"the Ray cluster was lost: {error}") from error
        finally:
            ray.shutdown()

    def stop(self, number: signal.Signals) -> None:
        """Pass a signal on to all processes; those that do not end in two minutes are killed. Called in any thread."""
        self._signal, self._deadline = number, time.monotonic() + _GRACE
        self._send(number)

    def _reserve(self, processes: int) -> bool:
        """Wait until the devices are free, and put a worker on each. Returns False if a signal arrives before."""
        cpus = ray.cluster_resources().get("CPU", 1)
        # Processes share CPUs if there are too few, as without Ray.
        share = {"CPU": min(1, int(1000 * cpus / processes) / 1000)} | ({"GPU": 1} if self._gpus else {})
        group = placement_group([share] * processes)
        waited = 0
        while not group.wait(1):
            if self._signal:
                return False
            waited += 1
            if waited == 10:
                needed = " and ".join(f"{processes} × {count:g} {name}" for name, count in share.items())
                print(f"waiting until the Ray cluster has {needed} free", file=sys.stderr, flush=True)
        place = ray.remote(_Worker).options
        self._workers = [
            place(
                num_cpus=share["CPU"],
                num_gpus=share.get("GPU", 0),
                # `run` and `send` at the same time.
                max_concurrency=2,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, rank),
            ).remote()
            for rank in range(processes)
        ]
        return True

    def _start(self, words: Sequence[str]) -> list[Any]:
        """Start the processes, those of a machine one after the other; returns a stream of events of each."""
        places = ray.get([worker.find_address.remote() for worker in self._workers])
        order = sorted(range(len(places)), key=lambda rank: (places[rank][0] != places[0][0], places[rank]))
        self._workers = [self._workers[rank] for rank in order]
        described = describe_cluster(["{}:{}".format(*places[rank]) for rank in order])
        # Ray shows each process only its own device.
        common = {"LOCAL_RANK": "0", "PYTHONUNBUFFERED": "1"}
        streams = [
            worker.run.options(num_returns="streaming").remote(list(words), os.getcwd(), variables | common)
            for worker, variables in zip(self._workers, described, strict=True)
        ]
        if self._signal:
            self._send(self._signal)
        return streams

    def _follow(self, streams: list[Any]) -> int:
        """Print the output of the processes until all have ended. Returns and raises as `launch`."""
        running = {stream: rank for rank, stream in enumerate(streams)}
        code, lost = 0, None
        while running:
            ready, _ = ray.wait(list(running), timeout=1)
            for stream in ready:
                rank = running[stream]
                try:
                    kind, content = ray.get(next(stream))
                    if kind != _END:
                        _write(kind, content)
                        continue
                    ended, number = content
                    cause = f"(pid {number}) was killed by {signal.Signals(-ended).name}" if ended < 0 else None
                except RayActorError:
                    ended, cause = -1, "was lost, because its Ray worker ended"
                del running[stream]
                if ended and not code and not lost:
                    code = ended
                    lost = cause and f"process {rank} of {len(streams)} {cause}"
                    if not self._signal:
                        self._deadline = time.monotonic() + _GRACE_AFTER_FAILURE
                        self._send(signal.SIGTERM)
            if running and time.monotonic() > self._deadline:
                self._send(signal.SIGKILL)
        if lost and not self._signal:
            raise PeerError(f"{lost}, so the others were ended")
        return code

    def _send(self, number: int) -> None:
        for worker in self._workers:
            worker.send.remote(number)


def _write(kind: int, line: bytes) -> None:
    stream = (sys.stdout, sys.stderr)[kind - 1]
    stream.buffer.write(line)
    stream.flush()


class _Worker:
    """Runs one process, on the device that Ray has reserved for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def find_address(self) -> tuple[str, int]:
        """Return the address of this machine, and a free port; JAX also uses the next one."""
        with socket.socket() as found:
            found.bind(("", 0))
            return get_node_ip_address(), found.getsockname()[1]

    def run(self, words: list[str], directory: str, environment: dict[str, str]) -> Iterator[tuple[int, Any]]:
        """Run Python, and yield (1 or 2, bytes) of its output and errors, then (_END, (exit code, its number)).

        Its standard input ends when this worker does.
        """
        pipe = subprocess.PIPE
        self._process = process = subprocess.Popen(
            [sys.executable, *words],
            cwd=directory,
            env=os.environ | environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
        )
        events: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()

        def read(number: int, stream: IO[bytes]) -> None:
            for line in stream:
                events.put((number, line))
            events.put((number, b""))

        for number, stream in ((1, process.stdout), (2, process.stderr)):
            threading.Thread(target=read, args=(number, stream), daemon=True).start()
        open_streams = 2
        while open_streams:
            event = events.get()
            if event[1]:
                yield event
            else:
                open_streams -= 1
        yield _END, (process.wait(), process.pid)

    def send(self, number: int) -> None:
        """Send a signal to the process, if it runs."""
        if self._process:
            # It may have ended.
            with suppress(OSError):
                self._process.send_signal(number)
