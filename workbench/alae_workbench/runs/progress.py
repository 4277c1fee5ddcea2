"""What a person sees while something goes on: a live bar at a terminal, plain lines elsewhere, a table at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from alae_workbench.evaluation.registry import MEASURES
from alae_workbench.runs.observers import Observer, Report, Start
from alae_workbench.runs.pace import Pace, format_duration
from alae_workbench.storage.directory import Summary

_SECONDS_BETWEEN_LINES = 5.0


class Terminal(Observer):
    """An observer that prints to a console, by default to standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._bar: _Bar | None = None

    def on_start(self, start: Start) -> None:
        """See `Observer`."""
        self._start, self._symbols = start, {update.name: update.symbol for update in start.model.updates}
        self.on_note(start.text)
        if self.console.is_terminal:
            self._bar = _Bar(self.console, start.step, start.steps)

    def on_pace(self, pace: Pace) -> None:
        """See `Observer`."""
        self._pace, self._began, self._said = pace, time.monotonic(), 0.0
        self.on_note(str(pace))

    def on_report(self, report: Report) -> None:
        """See `Observer`."""
        speed = f"{report.images_per_second:,.0f} images/s"
        level = [str(report.view)] if report.view else []
        losses = [f"{self._symbols[name]} {value:.3f}" for name, value in report.losses.items()]
        measures = [f"{MEASURES[name].symbol or name} {value:.3f}" for name, value in report.measures.items()]
        text = "  ".join([*level, *losses, *measures])
        if self._bar:
            self._bar.show(report.step, speed, self._left(report.step), text)
        else:
            self._line(report.step, speed, text)

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
            table.add_row(MEASURES[name].description, f"{value:.4f}")
        self.console.print(table)
        self.on_note(f"look at  {summary.grid}\nload     {summary.checkpoint}")

    def close(self) -> None:
        """See `Observer`."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _line(self, step: int, speed: str, text: str) -> None:
        now, steps = time.monotonic(), self._start.steps
        if step < steps and now - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._said = now
        self.on_note(f"step {step}/{steps}  {speed}  {self._left(step)}  {text}")

    def _left(self, step: int) -> str:
        first, steps = self._start.step, self._start.steps
        # Reports, grids and checkpoints come as often at every level, and cost about the same.
        besides = (time.monotonic() - self._began - self._pace.seconds(first, step)) / (step - first)
        return f"{format_duration(self._pace.seconds(step, steps) + max(0.0, besides) * (steps - step))} left"


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

    def show(self, step: int, speed: str, left: str, text: str) -> None:
        self._progress.update(self._task, completed=step, speed=speed, left=left, text=text)

    def stop(self) -> None:
        self._progress.stop()


@contextmanager
def counted(total: int, what: str, console: Console | None = None) -> Iterator[Callable[[int], None]]:
    """How far something has come that is counted, its pace, and the time left.

    Args:
        total: how many there are.
        what: their name, such as "images".
        console: where it is shown; by default standard output.

    Yields a function to be called with how many more are done.
    """
    console = console or Console()
    columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("{task.description}"))
    began = said = time.monotonic()
    done = 0

    def tell(more: int) -> None:
        nonlocal done, said
        done += more
        now = time.monotonic()
        pace = done / max(now - began, 1e-3)
        text = f"{pace:,.0f} {what}/s  {format_duration((total - done) / pace if pace else 0)} left"
        bar.update(task, completed=done, description=text)
        if not console.is_terminal and now - said >= _SECONDS_BETWEEN_LINES:
            said = now
            console.print(f"{done:,} of {total:,} {what}  {text}", highlight=False, soft_wrap=True)

    with Progress(*columns, console=console, expand=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield tell
