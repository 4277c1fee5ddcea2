"""SIGINT (Ctrl-C) and SIGTERM save a training run, and end the process with one line and exit code 130 or 143.

Python calls the handler of a signal in the main thread, between two instructions of Python. That is too late while
native code compiles a training step, which takes a minute. It is also unsafe: an exception that a handler raises in a
callback of native code is ignored or crashes the process. So the handler here raises nothing, and a thread ends the
process.

Until `end_on_signals` is called, signals have Python's usual effect, and the first process of a container ignores
SIGTERM. So this module imports little, and nothing of alae.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds within which a second signal counts as the first: `timeout` and other wrappers send each signal twice.
_REPEATS = 1.0
# Maximum seconds to wait for child processes, and then for the reader of standard output.
_PATIENCE = 4.0

#: saves a run after a signal; returns the end of the line to print
Save = Callable[[signal.Signals], str]
#: formats a message and an exit code as a line
Format = Callable[[str, int], str]


class _Process:
    """This process.

    Attributes:
        signal: set when the first signal has arrived.
        save: saves the training run, if there is one.
        code: the exit code without a signal; 1 after an error that is a bug.
        format: formats the line.
    """

    def __init__(self) -> None:
        self.signal = threading.Event()
        self.save: Save | None = None
        self.code = 1
        self.format: Format = lambda message, code: f"alae: {message}\n"


_process = _Process()


def end_on_signals() -> None:
    """From now on, let SIGINT and SIGTERM end this process. Call it once, from the main thread."""
    reader, writer = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(writer, False)
    # C code writes the number of a signal there as soon as it arrives, but only of a signal with a handler.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _note)
    threading.Thread(target=_await_signals, args=(reader,), daemon=True).start()
    # Registered first, so called last.
    atexit.register(_exit)


def set_exit_code(code: int) -> None:
    """Set the exit code of this process, unless a signal ends it."""
    _process.code = code


def set_format(format: Format) -> None:
    """Set the format of the line that is printed after a signal."""
    _process.format = format


@contextmanager
def saving_first(save: Save) -> Iterator[None]:
    """Within the context, call `save` before a signal ends the process. It is called in another thread."""
    _process.save = save
    try:
        yield
    finally:
        _process.save = None


@contextmanager
def waiting_first(text: str, pass_on: Callable[[signal.Signals], None] = lambda number: None) -> Iterator[None]:
    """Before a signal ends the process, wait until the context is left, which ends when child processes do.

    Args:
        text: the end of the line to print.
        pass_on: gives the signal to processes that are not children of `multiprocessing`; these get SIGTERM.
    """
    left = threading.Event()

    def wait(number: signal.Signals) -> str:
        pass_on(number)
        while not left.wait(0.5):
            # Also those that start now.
            _terminate_children()
        return text

    with saving_first(wait):
        try:
            yield
        finally:
            left.set()


def wait_if_ending() -> None:
    """If a signal has arrived, wait until the process ends. Call it before reporting an error, which may follow."""
    if _process.signal.is_set():
        threading.Event().wait()


def end_process(code: int, text: str) -> None:
    """Print a line, and end this process at once with an exit code."""
    line = _process.format(" ".join(text.split()), code)
    with suppress(OSError):
        os.write(2, line.encode(sys.stderr.encoding, "replace"))
    os._exit(code)


def _note(number: int, frame: FrameType | None) -> None:
    _process.signal.set()


def _exit() -> None:
    """End the process without tearing Python down: threads of frameworks still run, and could crash it."""
    wait_if_ending()
    _flush()
    os._exit(_process.code)


def _await_signals(reader: int) -> None:
    first, arrived = _receive(reader), time.monotonic()
    _process.signal.set()
    threading.Thread(target=_end, args=(first,), daemon=True).start()
    while True:
        again = _receive(reader)
        if time.monotonic() - arrived > _REPEATS:
            _remove_unfinished()
            end_process(128 + again, f"ended at once by a second signal, {again.name}")


def _receive(reader: int) -> signal.Signals:
    """Wait for SIGINT or SIGTERM; handlers of other signals also write to the pipe."""
    while (number := os.read(reader, 1)[0]) not in _SIGNALS:
        pass
    return signal.Signals(number)


def _end(number: signal.Signals) -> None:
    text = f"stopped by {number.name}"
    try:
        _terminate_children()
        if _process.save:
            text += f"; {_process.save(number)}"
    except BaseException as error:  # noqa: BLE001 - the process must end after any error
        text += f", but not saved: {str(error) or repr(error)}"
    # In another thread, because standard output may be a full pipe without a reader.
    cleaning = threading.Thread(target=_clean_up, daemon=True)
    cleaning.start()
    cleaning.join(2 * _PATIENCE)
    end_process(128 + number, text)


def _clean_up() -> None:
    """End child processes, remove unfinished files, flush the output, and show the cursor of the terminal."""
    until = time.monotonic() + _PATIENCE
    for child in _list_children():
        child.join(max(0.0, until - time.monotonic()))
        child.kill()
    if util := sys.modules.get("multiprocessing.util"):
        # Removes semaphores, about which another process would warn; Python does the same at its end.
        util._run_finalizers()
    _remove_unfinished()
    _flush()
    if os.isatty(1):
        # A progress bar hides it.
        os.write(1, b"\x1b[?25h\n")


def _remove_unfinished() -> None:
    if files := sys.modules.get("alae_core._support.files"):
        files.remove_unfinished()


def _terminate_children() -> None:
    if children := _list_children():
        # A command that starts processes has imported alae_core.
        from alae_core._support.processes import terminate_once

        terminate_once(children)


def _list_children() -> list:
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing.active_children() if multiprocessing else []


def _flush() -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
