"""Progress reports: a live bar at a terminal, plain lines elsewhere, and a table at the end of a run."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from alae_core import View
from alae_workbench.evaluation.doubts import conclude, format_value, list_doubts
from alae_workbench.evaluation.registry import MEASURES, measures_due
from alae_workbench.runs.observers import Level, Observer, Report, Start
from alae_workbench.runs.pace import Pace, format_duration
from alae_workbench.runs.progress_line import ProgressLine
from alae_workbench.storage.directory import Summary

_SECONDS_BETWEEN_LINES = 5.0


class Terminal(Observer):
    """An observer that prints to a console, by default to standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _open_console()
        self._live: Live | None = None

    def on_start(self, start: Start) -> None:
        """See `Observer`."""
        self._start, self._symbols = start, {update.name: update.symbol for update in start.model.updates}
        levels = start.model.config.lods if start.model.config.growth else 0
        finest = str(View(levels - 1)) if levels else None
        self._line = ProgressLine(self.console.width, start.steps, finest, bar=self.console.is_terminal)
        self._step, self._printed = start.step, 0.0
        self.on_note(start.text)
        losses = ", ".join(f"{symbol} {name}" for name, symbol in self._symbols.items())
        due = [MEASURES[name] for name in measures_due("report") if start.model.has(MEASURES[name].networks)]
        measures = [f"; {measure.symbol} {measure.name.replace('_', ' ')}" for measure in due if measure.symbol]
        self.on_note(f"losses: {losses}{''.join(measures)}")
        if self.console.is_terminal:
            # Refreshed only by reports: a thread that draws could still run when the process ends.
            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()

    def on_level(self, level: Level) -> None:
        """See `Observer`."""
        if self._live:
            self._show(self._line.format_compiling(self._step, str(level)))
        else:
            self.on_note(f"compiling {level}")

    def on_pace(self, pace: Pace) -> None:
        """See `Observer`."""
        self.on_note(str(pace))

    def on_report(self, report: Report) -> None:
        """See `Observer`."""
        self._step, now = report.step, time.monotonic()
        line = self._line.format(
            report.step,
            _format_level(report.view) if report.view else "",
            report.images_per_second,
            report.seconds_left,
            {self._symbols[name]: value for name, value in report.losses.items()},
            {MEASURES[name].symbol or name: value for name, value in report.measures.items()},
        )
        if self._live:
            self._show(line)
        elif report.step == self._start.steps or now - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = now
            self.on_note(line.rstrip())

    def on_note(self, text: str) -> None:
        """See `Observer`."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def on_finish(self, summary: Summary) -> None:
        """See `Observer`."""
        self.close()
        table = Table(title=f"after {summary.step:,} steps", title_justify="left", show_header=False)
        for name, value in summary.losses.items():
            table.add_row(f"{name} loss", f"{value:.4f}")
        for name in summary.measures:
            table.add_row(MEASURES[name].description, format_value(name, summary.measures, summary.images))
        self.console.print(table)
        for doubt in list_doubts(summary.measures, summary.images):
            self.on_note(doubt)
        if conclusion := conclude(summary.measures, summary.images):
            self.on_note(conclusion)
        if summary.grid:
            self.on_note(f"images      {summary.grid}")
        self.on_note(f"checkpoint  {summary.checkpoint}")

    def close(self) -> None:
        """See `Observer`."""
        if self._live:
            self._live.stop()
            self._live = None

    def _show(self, line: str) -> None:
        if self._live:
            self._live.update(Text(line, no_wrap=True, overflow="crop"), refresh=True)


def _format_level(view: View) -> str:
    """Format a level with how far it has faded in, such as "16×16 50%"."""
    return f"{view.size}×{view.size}" + (f" {int(100 * view.blend)}%" if view.blend < 1 else "")


def _open_console() -> Console:
    # Jupyter sets FORCE_COLOR, by which the output of a command that a notebook calls would count as a terminal.
    return Console(force_terminal=None if sys.stdout.isatty() else False)


@contextmanager
def show_progress(total: int, unit: str, console: Console | None = None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with speed and time left.

    Args:
        total: the number of units.
        unit: their name in the plural, such as "images".
        console: where to show it; by default standard output.

    Yields a function to call with the number of units done since the previous call.
    """
    console = console or _open_console()
    columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("{task.description}"))
    began = printed = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, printed
        done += more
        now = time.monotonic()
        speed = done / max(now - began, 1e-3)
        text = f"{speed:,.0f} {unit}/s  {format_duration((total - done) / speed if speed else 0)} left"
        bar.update(task, completed=done, description=text)
        if not console.is_terminal and now - printed >= _SECONDS_BETWEEN_LINES:
            printed = now
            console.print(f"{done:,} of {total:,} {unit}  {text}", highlight=False, soft_wrap=True)

    with Progress(*columns, console=console, expand=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield advance
