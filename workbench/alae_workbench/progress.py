"""What a person sees while a model trains: a live bar at a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SHORT = {"discriminator": "D", "generator": "G", "reciprocity": "R"}
_SECONDS_BETWEEN_LINES = 5.0


class Reporter(Protocol):
    """A context manager that is told of each record and of what is worth a line."""

    def __enter__(self) -> "Reporter":
        """Start showing."""

    def __exit__(self, *error: object) -> None:
        """Stop showing, whatever happened."""

    def report(
        self, step: int, losses: Mapping[str, float], reciprocity_error: float, images_per_second: float, level: str
    ) -> None:
        """The losses of `step`, counted from 1; `level` says the level of detail in words, if there is one."""

    def note(self, text: str) -> None:
        """A line of its own."""


def reporter(console: Console, start: int, steps: int) -> Reporter:
    """The reporter that suits `console`, for a run that goes from step `start` to `steps`."""
    return _Bar(console, start, steps) if console.is_terminal else _Lines(console, steps)


class _Bar:
    def __init__(self, console: Console, start: int, steps: int) -> None:
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task("", total=steps, completed=start, speed="compiling …", losses="")

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def report(
        self, step: int, losses: Mapping[str, float], reciprocity_error: float, images_per_second: float, level: str
    ) -> None:
        shown = _losses(losses, reciprocity_error, level)
        self._progress.update(self._task, completed=step, speed=f"{images_per_second:,.0f} images/s", losses=shown)

    def note(self, text: str) -> None:
        self._progress.console.print(text, highlight=False)


class _Lines:
    def __init__(self, console: Console, steps: int) -> None:
        self._console, self._steps = console, steps
        self._last, self._first_step = 0.0, -1
        self._started = time.monotonic()

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def report(
        self, step: int, losses: Mapping[str, float], reciprocity_error: float, images_per_second: float, level: str
    ) -> None:
        now = time.monotonic()
        if self._first_step < 0:
            self._first_step, self._started = step, now
        if step < self._steps and now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        done = step - self._first_step
        left = f"{(self._steps - step) * (now - self._started) / done:.0f} s left" if done else "…"
        speed = f"{images_per_second:,.0f} images/s"
        self.note(f"step {step}/{self._steps}  {speed}  {left}  {_losses(losses, reciprocity_error, level)}")

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def _losses(losses: Mapping[str, float], reciprocity_error: float, level: str) -> str:
    values = [f"{_SHORT[name]} {value:.3f}" for name, value in losses.items()]
    return "  ".join([*([level] if level else []), *values, f"F(z)≈E(G(F(z))) {reciprocity_error:.3f}"])
