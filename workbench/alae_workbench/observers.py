"""Who is told how a run goes: files of metrics, TensorBoard, or a person's own observer; the console is `progress`."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alae_core import View
from alae_workbench.pace import Pace
from alae_workbench.run import Run, Summary

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

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
        measures: by name, those cheap enough for every report (`evaluation.measures`).
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
        """With every checkpoint: the dearer measures."""

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
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


class TensorBoard(Records):
    """Writes TensorBoard's event files in the run's directory."""

    _events: "SummaryWriter | None" = None

    def start(self, start: Start) -> None:
        """See `Observer`."""
        # It imports PyTorch where that is installed, which takes seconds.
        from tensorboardX import SummaryWriter

        # purge_step hides what an earlier process wrote beyond the checkpoint this one goes on from.
        self._events = SummaryWriter(str(start.run.path), purge_step=start.step + 1 if start.step else None)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """See `Records`."""
        if self._events is not None:
            for name, value in _flat(values):
                self._events.add_scalar(name, value, step)
            self._events.flush()

    def close(self) -> None:
        """See `Observer`."""
        if self._events is not None:
            self._events.close()


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    pairs: list[tuple[str, float]] = []
    for name, value in values.items():
        pairs += _flat(value, f"{prefix}{name}/") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return pairs
