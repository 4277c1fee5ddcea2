"""Observers of a run: the interface, `metrics.jsonl`, TensorBoard and a log. `progress` prints to a terminal."""

import os
import socket
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from alae_core import View
from alae_core._support.files import append
from alae_core._support.json_lines import encode_event, encode_line
from alae_workbench.runs.pace import Pace
from alae_workbench.storage.directory import Run, Summary, make_record

if TYPE_CHECKING:
    from alae_core import Alae


@dataclass(frozen=True)
class Start:
    """A run before its first step.

    Attributes:
        run: its directory.
        model: the model that is trained.
        step, steps: training steps done, and in all.
        text: lines that describe the run.
    """

    run: Run
    model: "Alae"
    step: int
    steps: int
    text: str


@dataclass(frozen=True)
class Level:
    """A level of detail that a run begins to train.

    Attributes:
        name: its resolution, such as "16×16", or "training" for networks that do not grow.
        number, count: its number from 1, and the number of levels.
    """

    name: str
    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.name} ({self.number} of {self.count}) …" if self.count > 1 else "…"


@dataclass(frozen=True)
class Report:
    """A run after `step` steps.

    Attributes:
        step: training steps done.
        view: the level of detail that is trained; None for networks that do not grow.
        losses: by update.
        measures: by name, those due at every report (see `evaluation.registry`).
        images_per_second: training speed since the previous report, not counting reports, grids and checkpoints.
        seconds_left: estimated duration of the rest of the run; None while unknown.
    """

    step: int
    view: View | None
    losses: Mapping[str, float]
    measures: Mapping[str, float]
    images_per_second: float
    seconds_left: float | None = None

    def numbers(self) -> dict[str, Any]:
        """Return all numbers by name, nested."""
        level = {} if self.view is None else {"lod": self.view.lod, "blend": self.view.blend}
        return {"losses": self.losses, **self.measures, "images_per_second": self.images_per_second, **level}


class Observer:
    """Base class of observers of a run. Its methods do nothing; override those of interest."""

    def on_start(self, start: Start) -> None:
        """Called when the run starts or resumes."""

    def on_level(self, level: Level) -> None:
        """Called before the first step of each level, which compiles."""

    def on_pace(self, pace: Pace) -> None:
        """Called once per level, when its first steps were timed, with a better estimate of the run's duration."""

    def on_report(self, report: Report) -> None:
        """Called after every `training.report_every` steps."""

    def on_measures(self, step: int, measures: Mapping[str, float]) -> None:
        """Called when measures were taken, in particular before each checkpoint is written."""

    def on_grid(self, step: int, grid: Path) -> None:
        """Called when a grid of images was written as a .png."""

    def on_note(self, text: str) -> None:
        """Called with a message to print."""

    def on_finish(self, summary: Summary) -> None:
        """Called when the run finished, or was stopped and saved."""

    def close(self) -> None:
        """Release resources. Always called last, even after errors or if `on_start` was not called."""


class Records(Observer, ABC):
    """An observer that writes numbers by step."""

    def on_report(self, report: Report) -> None:
        """See `Observer`."""
        self.write(report.step, report.numbers())

    def on_measures(self, step: int, measures: Mapping[str, float]) -> None:
        """See `Observer`."""
        self.write(step, {"evaluation": measures})

    @abstractmethod
    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Write nested numbers by name."""


class MetricsFile(Records):
    """Writes `metrics.jsonl` in the run's directory, one record per line."""

    def on_start(self, start: Start) -> None:
        """See `Observer`."""
        self._path, self._config = start.run.metrics, start.model.config

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Records`."""
        append(self._path, encode_line(make_record(self._config, step, values)))


class JsonLog(Observer):
    """Writes every event as a line of JSON, by default to standard error: `alae train --log json`.

    Each object has `time` and `event`; docs/cluster.md lists the events.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file

    def on_start(self, start: Start) -> None:
        """See `Observer`."""
        self._config = start.model.config
        self.write("start", run=str(start.run.path), step=start.step, steps=start.steps, message=start.text)

    def on_level(self, level: Level) -> None:
        """See `Observer`."""
        self.write("level", **asdict(level))

    def on_pace(self, pace: Pace) -> None:
        """See `Observer`."""
        self.write("pace", message=str(pace))

    def on_report(self, report: Report) -> None:
        """See `Observer`."""
        self.write("report", **make_record(self._config, report.step, report.numbers()))

    def on_measures(self, step: int, measures: Mapping[str, float]) -> None:
        """See `Observer`."""
        self.write("measures", **make_record(self._config, step, {"measures": measures}))

    def on_grid(self, step: int, grid: Path) -> None:
        """See `Observer`."""
        self.write("grid", step=step, path=str(grid))

    def on_note(self, text: str) -> None:
        """See `Observer`."""
        self.write("note", message=text)

    def on_finish(self, summary: Summary) -> None:
        """See `Observer`."""
        self.write("finish", **asdict(summary))

    def write(self, event: str, **values: Any) -> None:
        """Write an event."""
        file = self._file or sys.stderr
        file.write(encode_event(event, **values).decode())
        file.flush()


class TensorBoard(Records):
    """Writes TensorBoard's event files in the run's directory."""

    def on_start(self, start: Start) -> None:
        """See `Observer`."""
        # Slow to import: it imports PyTorch if that is installed.
        from tensorboardX.proto.event_pb2 import SessionLog

        self._path = start.run.path / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        self._add(file_version="brain.Event:2")
        if start.step:
            # Hides an earlier process's records of steps after the resumed checkpoint.
            self._add(step=start.step + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Records`."""
        from tensorboardX.summary import scalar

        for name, value in flatten(values):
            self._add(step=step, summary=scalar(name, value))

    def on_grid(self, step: int, grid: Path) -> None:
        """See `Observer`."""
        from PIL import Image
        from tensorboardX.proto.summary_pb2 import Summary

        with Image.open(grid) as picture:
            width, height = picture.size
        content = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=grid.read_bytes())
        self._add(step=step, summary=Summary(value=[Summary.Value(tag="grid", image=content)]))

    def _add(self, **fields: Any) -> None:
        # tensorboardX's own writer is a thread; on a full disk it prints a traceback, and another at exit.
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import masked_crc32c

        event = Event(wall_time=time.time(), **fields).SerializeToString()
        length = struct.pack("<Q", len(event))
        checksums = [struct.pack("<I", masked_crc32c(data)) for data in (length, event)]
        append(self._path, length + checksums[0] + event + checksums[1])


def flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """Return nested numbers as pairs; names of groups are joined by slashes."""
    pairs: list[tuple[str, float]] = []
    for name, value in values.items():
        pairs += flatten(value, f"{prefix}{name}/") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return pairs
