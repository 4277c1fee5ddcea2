"""Progress reports: a live bar at a terminal, plain lines elsewhere, and a table at the end of a run."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from alae_workbench.evaluation.doubts import conclude, describe_value
from alae_workbench.evaluation.registry import MEASURES
from alae_workbench.runs.observers import Observer, Report, Start
from alae_workbench.runs.pace import Pace, format_duration
from alae_workbench.storage.directory import Summary

_SECONDS_BETWEEN_LINES = 5.0


class Terminal(Observer):
    """An observer that prints to a console, by default to standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _open_console()
        self._bar: _Bar | None = None

    def on_start(self, start: Start) -> None:
        """See `Observer`."""
        self._start, self._symbols = start, {update.name: update.symbol for update in start.model.updates}
        self.on_note(start.text)
        self.on_note(f"losses: {', '.join(f'{symbol} {name}' for name, symbol in self._symbols.items())}")
        if self.console.is_terminal:
            self._bar = _Bar(self.console, start.step, start.steps)

    def on_pace(self, pace: Pace) -> None:
        """See `Observer`."""
        self._pace, self._began, self._printed = pace, time.monotonic(), 0.0
        self.on_note(str(pace))

    def on_report(self, report: Report) -> None:
        """See `Observer`."""
        speed = f"{report.images_per_second:,.0f} images/s"
        level = [str(report.view)] if report.view else []
        losses = [f"{self._symbols[name]} {value:.3f}" for name, value in report.losses.items()]
        measures = [f"{MEASURES[name].symbol or name} {value:.3f}" for name, value in report.measures.items()]
        text = "  ".join([*level, *losses, *measures])
        if self._bar:
            self._bar.update(report.step, speed, self._estimate_left(report.step), text)
        else:
            self._print_line(report.step, speed, text)

    def on_note(self, text: str) -> None:
        """See `Observer`."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def on_finish(self, summary: Summary) -> None:
        """See `Observer`."""
        self.close()
        table = Table(title=f"after {summary.step:,} steps", title_justify="left", show_header=False)
        for name, value in summary.losses.items():
            table.add_row(f"{name} loss", f"{value:.4f}")
        for name, value in summary.measures.items():
            table.add_row(describe_value(name, summary.measures, summary.images), f"{value:.4f}")
        self.console.print(table)
        if conclusion := conclude(summary.measures, summary.images):
            self.on_note(conclusion)
        self.on_note(f"images      {summary.grid}\ncheckpoint  {summary.checkpoint}")

    def close(self) -> None:
        """See `Observer`."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _print_line(self, step: int, speed: str, text: str) -> None:
        now, steps = time.monotonic(), self._start.steps
        if step < steps and now - self._printed < _SECONDS_BETWEEN_LINES:
            return
        self._printed = now
        self.on_note(f"step {step}/{steps}  {speed}  {self._estimate_left(step)}  {text}")

    def _estimate_left(self, step: int) -> str:
        first, steps = self._start.step, self._start.steps
        # Reports, grids and checkpoints are as frequent at every level, and take about the same time.
        overhead = (time.monotonic() - self._began - self._pace.seconds(first, step)) / (step - first)
        return f"{format_duration(self._pace.seconds(step, steps) + max(0.0, overhead) * (steps - step))} left"


class _Bar:
    def __init__(self, console: Console, start: int, steps: int) -> None:
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[text]}"),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task("", total=steps, completed=start, speed="compiling …", left="", text="")
        self._progress.start()

    def update(self, step: int, speed: str, left: str, text: str) -> None:
        self._progress.update(self._task, completed=step, speed=speed, left=left, text=text)

    def stop(self) -> None:
        self._progress.stop()


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
