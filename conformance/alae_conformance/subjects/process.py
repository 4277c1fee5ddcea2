"""A backend in its own process, so that its output, crashes and hangs do not affect the suite."""

import os
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Timer
from typing import Any

from alae_conformance.subjects.wire import MOST_BYTES, WireError, decode, encode
from alae_conformance.tolerances import Lane
from alae_core._support.files import open_regular
from alae_core._support.unused_imports import skip_unused_imports
from alae_core.backend_lookup import find_backend
from alae_core.errors import ArgumentError, BackendError, CheckpointError

_KNOWN = {"ArgumentError": ArgumentError, "BackendError": BackendError, "CheckpointError": CheckpointError}
#: flags of XLA, with which JAX and TensorFlow compile: it optimizes a tiny step for longer than the step runs, newer
#: emitters take half as long again, and compiling a program in 32 parts at once takes a tenth longer if all cores work
QUICK_COMPILATION = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
#: maximum characters of an error's message, of its traceback, and of the last output
_MOST_CHARACTERS = 4000


class SubjectError(Exception):
    """The backend raised an exception; `details` is its traceback."""

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.details = details


class SubjectLost(SubjectError):
    """The process ended, or did not answer in time; it cannot take further requests."""


class Process:
    """A `Subject` that passes method calls to a process that holds `BackendSubject(name, lane, device)`.

    Call `start` first. If `quick`, XLA compiles without optimizing.

    Answers are plain data and arrays (`wire.py`), so nothing that a backend returns can run code here. Methods raise
    ArgumentError, BackendError or CheckpointError if the backend raised it; SubjectError for any other exception and
    for an answer that is not plain data; SubjectLost if the process ended, sent something else, or took more than
    `patience` seconds.
    """

    def __init__(
        self,
        name: str,
        lane: Lane,
        patience: float,
        device: str | None = None,
        quick: bool = False,
    ) -> None:
        self._patience = patience
        context = get_context("spawn")  # a fork would share this process's threads and imported Keras
        self._line, other_end = context.Pipe()
        descriptor, log = tempfile.mkstemp(prefix=f"alae-conformance-{name}-", suffix=".log")
        os.close(descriptor)
        self._log = Path(log)
        arguments = (other_end, name, lane, device, quick, log)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        other_end.close()

    def start(self, variables: Mapping[str, str] | None = None) -> bool:
        """Open the backend. Returns False, and has not opened it, if it needs a process for each device.

        Then call this again in each of these processes, with the environment variables that describe it
        (`alae_core.spread`).
        """
        try:
            return self._answer("start", ("start", (variables,), {})) is True
        except BaseException:
            self.close()
            raise

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)

        def ask(*arguments: Any, **options: Any) -> Any:
            # A request may be a pickle, because the suite wrote it; an answer must not be.
            return self._answer(method, (method, arguments, options))

        return ask

    def kill(self) -> None:
        """End the process; a call that waits for it raises SubjectLost."""
        self._process.kill()

    def close(self) -> None:
        """End the process, in whatever state it is."""
        self.kill()
        self._process.join()
        self._line.close()
        self._log.unlink(missing_ok=True)

    def _answer(self, method: str, question: tuple[Any, ...]) -> Any:
        late = Event()

        def end() -> None:
            late.set()
            self._process.kill()

        # Ending the process ends any wait for it: to read the request, to answer, or to complete an answer.
        timer = Timer(self._patience, end)
        timer.start()
        try:
            self._line.send(question)
            kind, content = decode(self._line.recv_bytes(MOST_BYTES), self._line.recv_bytes(MOST_BYTES))
        except (EOFError, OSError) as error:
            self._process.join(5)
            code = self._process.exitcode
            problem = f"the process ended with exit code {code}" if code is not None else f"it sent no answer: {error}"
            if late.is_set():
                problem = f"no answer within {self._patience:g} s"
            raise SubjectLost(f"{method}: {problem}", self._last_output()) from error
        except WireError as error:
            raise SubjectLost(f"{method}: {error}", self._last_output()) from error
        finally:
            timer.cancel()
        if kind == "value":
            return content
        name, message, details = (str(part) for part in content)
        if name == "ArgumentError":
            argument, _, problem = message.partition(" ")
            raise ArgumentError(argument, problem)
        if name in _KNOWN:
            raise _KNOWN[name](message)
        raise SubjectError(f"{method}: {message}", details)

    def _last_output(self) -> str:
        with suppress(OSError), open_regular(self._log) as log:
            log.seek(max(0, self._log.stat().st_size - _MOST_CHARACTERS))
            return log.read(_MOST_CHARACTERS).decode("utf-8", "replace")
        return ""


def _serve(
    line: Connection,
    name: str,
    lane: Lane,
    device: str | None,
    quick: bool,
    log: str,
) -> None:
    """Answer requests until the suite closes the pipe."""
    skip_unused_imports()
    if quick:
        os.environ["XLA_FLAGS"] = f"{QUICK_COMPILATION} {os.environ.get('XLA_FLAGS', '')}"
    # The networks are tiny: a second thread would only wait, and slow down other processes.
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(variable, "1")
    # Several processes share a device: none may reserve most of its memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    # Everything that frameworks print goes to the log.
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    def reply(compute: Callable[[], Any]) -> None:
        try:
            frames = encode("value", compute())
        except BaseException as error:  # noqa: BLE001 - any exception of a backend is its answer, SystemExit too
            name = next((name for name, known in _KNOWN.items() if isinstance(error, known)), "other")
            ours = name in _KNOWN or isinstance(error, WireError)
            message = str(error) if ours else f"{type(error).__name__}: {error}"
            details = traceback.format_exc()
            frames = encode("raised", [name, message[:_MOST_CHARACTERS], details[-_MOST_CHARACTERS:]])
        for frame in frames:
            line.send_bytes(frame)

    from alae_conformance.subjects.backend import BackendSubject

    opened: list[BackendSubject] = []

    def start(variables: Mapping[str, str] | None) -> bool:
        os.environ.update(variables or {})
        if lane == "devices" and not variables and getattr(find_backend(name).load(), "launcher", None):
            return False
        opened.append(BackendSubject(name, lane, device))
        return True

    while True:
        try:
            method, arguments, options = line.recv()
        except EOFError:
            return
        answer = start if method == "start" else getattr(opened[0], method)
        reply(partial(answer, *arguments, **options))
