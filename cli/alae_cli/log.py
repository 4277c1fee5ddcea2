"""The options --log and --quiet, and errors in the format that --log selects."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer

from alae_core._support.json_lines import encode_event
from alae_core._support.text import one_line

if TYPE_CHECKING:
    from alae_workbench.runs.observers import Observer


class Log(StrEnum):
    """Where events go. `json` replaces the text on the terminal; the others (`runs.tracker`) add to it."""

    TEXT = "text"
    JSON = "json"
    WANDB = "wandb"
    TRACKIO = "trackio"


Logs = Annotated[
    list[Log] | None,
    typer.Option(
        "--log",
        help="Print progress as text, or write every event to standard error as a line of JSON (docs/cluster.md); "
        "log to Weights & Biases or trackio, if installed; repeatable.",
        show_default="text",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


def requests_json(words: Sequence[str]) -> bool:
    """Return whether a command line has `--log json`. It may have mistakes, which are then reported in JSON."""
    return "--log=json" in words or ("--log", "json") in pairwise(words)


@contextmanager
def warnings_as_events() -> Iterator[None]:
    """Within the context, and with `--log json`, warnings of libraries are events."""
    if not requests_json(sys.argv):
        yield
        return
    import logging  # not at the top: it would slow every command down

    class Events(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            sys.stderr.write(encode_event("warning", message=one_line(record.getMessage())).decode())

    handler, root = Events(logging.WARNING), logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)


def choose_observers(logs: Sequence[Log] | None, quiet: bool) -> "list[Observer]":
    """Return the observers that show and log a run as --log and --quiet request.

    Raises ArgumentError if a tracker is not installed.
    """
    from alae_workbench.runs.observers import JsonLog
    from alae_workbench.runs.progress import Terminal
    from alae_workbench.runs.tracker import Tracker

    shown: list[Observer] = [] if quiet else [JsonLog() if Log.JSON in (logs or []) else Terminal()]
    trackers = dict.fromkeys(log for log in logs or [] if log in (Log.WANDB, Log.TRACKIO))
    return [*shown, *(Tracker(log.value) for log in trackers)]


def format_error(message: str, exit_code: int) -> str:
    """Return an error as a line of text, or of JSON with `--log json`."""
    message = one_line(message)
    if requests_json(sys.argv):
        return encode_event("error", message=message, exit_code=exit_code).decode()
    return f"alae: {message}\n"
