"""A plug-in in a process of its own: what it prints, how it crashes and that it hangs all stay outside the suite."""

import os
import socket
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from alae_conformance.subjects.wire import Failure, WireError, decode, encode, receive, send
from alae_core._support.files import open_regular
from alae_core.config import Precision
from alae_core.errors import BackendError, CheckpointError

_KNOWN = {"BackendError": BackendError, "CheckpointError": CheckpointError}
#: how much is kept of an error's message, of its traceback and of what was printed last
_WORDS = 4000


class SubjectError(Exception):
    """The plug-in raised an exception; `details` is its traceback."""

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.details = details


class SubjectLost(SubjectError):
    """The process ended, or did not answer in time: nothing more can be asked of it."""


class Process:
    """A `Subject` whose every method is a question to a process that holds `Plugin(name, precision)`.

    Only plain data and arrays cross (`wire`): what a plug-in answers runs nothing here. Methods raise BackendError or
    CheckpointError where the plug-in raised it, SubjectError for any other exception or an answer that may not cross,
    and SubjectLost where the process died, sent what is no answer, or did not answer within `patience` seconds.
    """

    def __init__(self, name: str, precision: Precision, patience: float, device: str | None = None) -> None:
        self._patience = patience
        context = get_context("spawn")  # a fork would share this process's threads and imported Keras
        self._here, there = socket.socketpair()
        descriptor, log = tempfile.mkstemp(prefix=f"alae-conformance-{name}-", suffix=".log")
        os.close(descriptor)
        self._log = Path(log)
        self._process = context.Process(target=_serve, args=(there, name, precision, device, log), daemon=True)
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
            with suppress(OSError):  # a process that is gone, or does not listen, says so in its answer
                send(self._here, encode((method, arguments, options)), self._patience)
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
            answer = decode(receive(self._here, self._patience))
        except TimeoutError as error:
            raise SubjectLost(f"{method}: no answer within {self._patience:g} s", self._last_words()) from error
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise SubjectLost(
                f"{method}: the process ended with exit code {self._process.exitcode}", self._last_words()
            ) from error
        except WireError as error:
            raise SubjectLost(f"{method}: {error}", self._last_words()) from error
        if not isinstance(answer, Failure):
            return answer
        kind, message, details = (str(each)[-_WORDS:] for each in answer)
        if kind in _KNOWN:
            raise _KNOWN[kind](message)
        raise SubjectError(f"{method}: {message}", details)

    def _last_words(self) -> str:
        with suppress(OSError), open_regular(self._log) as log:
            log.seek(max(0, self._log.stat().st_size - _WORDS))
            return log.read(_WORDS).decode("utf-8", "replace")
        return ""


def _serve(line: socket.socket, name: str, precision: Precision, device: str | None, log: str) -> None:
    # The networks are tiny: a second thread only waits, and takes the processor from what is judged beside this.
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(variable, "1")
    # Several processes share a device: none may take most of its memory before it needs it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    # What frameworks print belongs neither on the user's screen nor between the answers.
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    def reply(ask: Callable[[], Any]) -> None:
        try:
            answer = encode(ask())
        except BaseException as error:  # noqa: BLE001 - whatever a plug-in raises, SystemExit too, is its answer
            kind = next((kind for kind, known in _KNOWN.items() if isinstance(error, known)), "error")
            message = (
                str(error) if kind in _KNOWN or isinstance(error, WireError) else f"{type(error).__name__}: {error}"
            )
            answer = encode(Failure(kind, message[:_WORDS], traceback.format_exc()[-_WORDS:]))
        send(line, answer)

    from alae_conformance.subjects.plugin import Plugin

    started: list[Plugin] = []
    reply(lambda: started.append(Plugin(name, precision, device)))
    while started:
        try:
            method, arguments, options = decode(receive(line))
        except EOFError:
            return
        reply(partial(getattr(started[0], method), *arguments, **options))
