"""Who is told how a run goes: files of metrics, TensorBoard, or a person's own observer; the console is `progress`."""

import json
import os
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alae_core import View
from alae_core._support.files import append
from alae_workbench.runs.pace import Pace
from alae_workbench.storage.directory import Run, Summary

if TYPE_CHECKING:
    from alae_core import Alae


@dataclass(frozen=True)
class Start:
    """What is known of a run before its first step.

    Attributes:
        run: where it is written.
        model: what is trained; its updates say what stands for each of them where there is little room.
        step, steps: training steps done, and in all.
        text: what is trained on what, in a line.
    """

    run: Run
    model: "Alae"
    step: int
    steps: int
    text: str


@dataclass(frozen=True)
class Report:
    """What a run is like after `step` steps.

    Attributes:
        step: training steps done.
        view: the level of detail that it trains at; None for networks that do not grow.
        losses: by update.
        measures: by name, those due at every report (`evaluation.registry`).
        images_per_second: of training alone, since the report before.
    """

    step: int
    view: View | None
    losses: Mapping[str, float]
    measures: Mapping[str, float]
    images_per_second: float

    def numbers(self) -> dict[str, Any]:
        """All of it as nested numbers by name."""
        level = {} if self.view is None else {"lod": self.view.lod, "blend": self.view.blend}
        return {"losses": self.losses, **self.measures, "images_per_second": self.images_per_second, **level}


class Observer:
    """Is told how a run goes. Every method does nothing, until a class of one's own replaces those it cares for."""

    def start(self, start: Start) -> None:
        """A run begins, or goes on."""

    def paced(self, pace: Pace) -> None:
        """How long the run will take, measured before its first step."""

    def report(self, report: Report) -> None:
        """Every `training.report_every` steps."""

    def evaluated(self, step: int, measures: Mapping[str, float]) -> None:
        """With every checkpoint, just before it is written: the dearer measures."""

    def drawn(self, step: int, grid: Path) -> None:
        """A grid of images was written, a .png."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def finish(self, summary: Summary) -> None:
        """The run has come to its end, or was stopped and saved."""

    def close(self) -> None:
        """Nothing more will come, whatever happened; also called of an observer that was never started."""


class Records(Observer, ABC):
    """An observer that writes nested numbers as of a step."""

    def report(self, report: Report) -> None:
        """See `Observer`."""
        self.write(report.step, report.numbers())

    def evaluated(self, step: int, measures: Mapping[str, float]) -> None:
        """See `Observer`."""
        self.write(step, {"evaluation": measures})

    @abstractmethod
    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Keep nested numbers by name, as of `step`."""


class MetricsFile(Records):
    """Writes `metrics.jsonl` in the run's directory, a record a line."""

    def start(self, start: Start) -> None:
        """See `Observer`."""
        self._path = start.run.metrics

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Records`."""
        append(self._path, (json.dumps({"step": step, **values}) + "\n").encode())


class TensorBoard(Records):
    """Writes TensorBoard's event files in the run's directory."""

    def start(self, start: Start) -> None:
        """See `Observer`."""
        # It imports PyTorch where that is installed, which takes seconds.
        from tensorboardX.proto.event_pb2 import SessionLog

        self._path = start.run.path / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        self._add(file_version="brain.Event:2")
        if start.step:
            # Hides what an earlier process wrote beyond the checkpoint this one goes on from.
            self._add(step=start.step + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Records`."""
        from tensorboardX.summary import scalar

        for name, value in _flat(values):
            self._add(step=step, summary=scalar(name, value))

    def drawn(self, step: int, grid: Path) -> None:
        """See `Observer`."""
        from PIL import Image
        from tensorboardX.proto.summary_pb2 import Summary

        with Image.open(grid) as picture:
            width, height = picture.size
        content = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=grid.read_bytes())
        self._add(step=step, summary=Summary(value=[Summary.Value(tag="grid", image=content)]))

    def _add(self, **fields: Any) -> None:
        # tensorboardX's own writer is a thread that a full disk ends with a traceback, now and at exit.
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import masked_crc32c

        event = Event(wall_time=time.time(), **fields).SerializeToString()
        length = struct.pack("<Q", len(event))
        checks = [struct.pack("<I", masked_crc32c(each)) for each in (length, event)]
        append(self._path, length + checks[0] + event + checks[1])


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    pairs: list[tuple[str, float]] = []
    for name, value in values.items():
        pairs += _flat(value, f"{prefix}{name}/") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return pairs
