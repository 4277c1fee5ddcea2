"""A live view of a run in a notebook: progress, curves, and the last grid of images."""

import sys
import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from alae_core._support.files import read_regular
from alae_core._support.html import MOST_BYTES, make_picture, make_title
from alae_workbench.runs.observers import Level, Observer, Report, Start
from alae_workbench.runs.pace import format_duration
from alae_workbench.storage.directory import Summary

# Minimum seconds between two views, and as a multiple of the time that drawing one takes.
_SECONDS, _MULTIPLE = 2.0, 20


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class Notebook(Observer):
    """An observer that shows a run in the output of a notebook's cell, redrawn as the run proceeds.

    `train` uses it by default in notebooks.
    """

    def __init__(self) -> None:
        self._show: Callable[[Any], None] | None = None
        self._text, self._line, self._curves, self._grid = "", "compiling …", "", ""
        self._step, self._due = 0, 0.0

    def on_start(self, start: Start) -> None:
        """See `Observer`."""
        from IPython.display import display

        self._start, self._began, self._step, self._text = start, time.monotonic(), start.step, start.text
        self._show = display(self, display_id=True).update

    def on_level(self, level: Level) -> None:
        """See `Observer`."""
        self._line = f"compiling {level}"
        self._update()

    def on_report(self, report: Report) -> None:
        """See `Observer`."""
        self._step = report.step
        losses = [f"{name} {value:.3f}" for name, value in report.losses.items()]
        level = [str(report.view)] if report.view else []
        speed = f"{report.images_per_second:,.0f} images/s"
        left = [] if report.seconds_left is None else [f"{format_duration(report.seconds_left)} left"]
        self._line = " · ".join([*level, speed, *left, *losses])
        if time.monotonic() >= self._due:
            self._draw()

    def on_measures(self, step: int, measures: Mapping[str, float]) -> None:
        """See `Observer`."""
        self._draw()

    def on_grid(self, step: int, grid: Path) -> None:
        """See `Observer`."""
        content = read_regular(grid)
        self._grid = make_picture(content) if len(content) <= MOST_BYTES else make_title(str(grid))
        self._draw()

    def on_note(self, text: str) -> None:
        """See `Observer`."""
        if self._show is None:
            print(text)  # nothing is trained, as the run is finished
        self._line = text
        self._update()

    def on_finish(self, summary: Summary) -> None:
        """See `Observer`."""
        stopped = f"stopped by {summary.stopped_by}" if summary.stopped_by else "finished"
        self._line = f"{stopped} after {format_duration(time.monotonic() - self._began)}: {summary.checkpoint}"
        self._draw()

    def _draw(self) -> None:
        from alae_workbench.figures.plots import plot_curves  # imports Matplotlib, which terminals do not need

        began = time.monotonic()
        if self._start.run.metrics.exists():
            self._curves = make_picture(plot_curves([self._start.run.path])._repr_png_())
        self._update()
        now = time.monotonic()
        self._due = now + max(_SECONDS, _MULTIPLE * (now - began))

    def _update(self) -> None:
        if self._show:
            self._show(self)

    def __repr__(self) -> str:
        return f"step {self._step:,} of {self._start.steps:,} · {self._line}"

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self._step}" max="{self._start.steps}" style="width:100%"></progress>'
        text = "".join(map(make_title, self._text.splitlines()))
        return f"{text}{bar}<div>{escape(repr(self))}</div>{self._curves}{self._grid}"
