"""A plug-in in a process of its own: what it prints, how it crashes and that it hangs all stay outside the suite."""

import os
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from alae_core.config import Precision
from alae_core.errors import BackendError, CheckpointError

_KNOWN = {"BackendError": BackendError, "CheckpointError": CheckpointError}


class SubjectError(Exception):
    """The plug-in raised an exception; `details` is its traceback."""

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.details = details


class SubjectLost(SubjectError):
    """The process ended, or did not answer in time: nothing more can be asked of it."""


class Process:
    """A `Subject` whose every method is a question to a process that holds `Plugin(name, precision)`.

    Methods raise BackendError or CheckpointError where the plug-in raised it, SubjectError for any other exception, and
    SubjectLost where the process died or did not answer within `patience` seconds.
    """

    def __init__(self, name: str, precision: Precision, patience: float) -> None:
        self._patience = patience
        context = get_context("spawn")  # a fork would share this process's threads and imported Keras
        self._here, there = context.Pipe()
        descriptor, log = tempfile.mkstemp(prefix=f"alae-conformance-{name}-", suffix=".log")
        os.close(descriptor)
        self._log = Path(log)
        self._process = context.Process(target=_serve, args=(there, name, precision, log), daemon=True)
        self._process.start()
        there.close()
        try:
            self._answer("start")
        except BaseException:
            self.close()
            raise

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)

        def ask(*arguments: Any, **options: Any) -> Any:
            with suppress(OSError):  # a process that is gone says so in its answer
                self._here.send((method, arguments, options))
            return self._answer(method)

        return ask

    def close(self) -> None:
        """End the process, however it is."""
        self._process.kill()
        self._process.join()
        self._here.close()
        self._log.unlink(missing_ok=True)

    def _answer(self, method: str) -> Any:
        try:
            if not self._here.poll(self._patience):
                raise SubjectLost(f"{method}: no answer within {self._patience:g} s", self._last_words())
            kind, value, details = self._here.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise SubjectLost(
                f"{method}: the process ended with exit code {self._process.exitcode}", self._last_words()
            ) from error
        if kind == "value":
            return value
        if kind in _KNOWN:
            raise _KNOWN[kind](value)
        raise SubjectError(f"{method}: {value}", details)

    def _last_words(self) -> str:
        return self._log.read_text("utf-8", errors="replace")[-4000:]


def _serve(pipe: Connection, name: str, precision: Precision, log: str) -> None:
    # The networks are tiny: a second thread only waits, and takes the processor from what is judged beside this.
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(variable, "1")
    # What frameworks print belongs neither on the user's screen nor between the answers.
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    def reply(ask: Callable[[], Any]) -> None:
        try:
            answer = "value", ask(), ""
        except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is its answer
            known = type(error).__name__ in _KNOWN
            message = str(error) if known else f"{type(error).__name__}: {error}"
            answer = type(error).__name__ if known else "error", message, traceback.format_exc()
        pipe.send(answer)

    from alae_conformance.subjects.plugin import Plugin

    started: list[Plugin] = []
    reply(lambda: started.append(Plugin(name, precision)))
    while started:
        try:
            method, arguments, options = pipe.recv()
        except EOFError:
            return
        reply(partial(getattr(started[0], method), *arguments, **options))
