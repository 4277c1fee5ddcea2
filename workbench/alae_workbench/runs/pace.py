"""Estimate the duration of a run from the first steps of each of its levels."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from alae_core import Config, Runner
from alae_core.growth import Stage, stretches

# Steps taken at each level; the first one compiles.
_STEPS = 4


@dataclass(frozen=True)
class Stretch:
    """The steps of one level, which take equally long.

    Attributes:
        stage: the level's settings.
        first, end: its first step, and the one after its last.
        seconds: the duration of one step.
    """

    stage: Stage
    first: int
    end: int
    seconds: float

    @property
    def name(self) -> str:
        """The level's resolution, or "training" for networks that do not grow."""
        return "training" if self.stage.lod is None else f"{4 * 2**self.stage.lod}×{4 * 2**self.stage.lod}"


@dataclass(frozen=True)
class Pace:
    """The remaining stretches of a run."""

    stretches: Sequence[Stretch]

    def seconds(self, first: int, end: int) -> float:
        """Return the estimated seconds from step `first` up to step `end`."""
        return sum(
            max(0, min(end, stretch.end) - max(first, stretch.first)) * stretch.seconds for stretch in self.stretches
        )

    def __str__(self) -> str:
        seconds = {stretch.name: (stretch.end - stretch.first) * stretch.seconds for stretch in self.stretches}
        total = sum(seconds.values())
        shares = ", ".join(f"{name} {share / total:.0%}" for name, share in seconds.items())
        return f"estimated training time: {format_duration(total)}" + (f" ({shares})" if len(seconds) > 1 else "")


def measure_pace(
    runner: Runner, config: Config, batches: Callable[[int, int], Iterator[Any]], *, start: int, end: int
) -> Pace:
    """Time the first steps of every level between two steps of a run, then restore the runner's state.

    Args:
        runner: trains the model; afterwards, all remaining levels are compiled.
        config: its configuration.
        batches: yields the batches from one step up to another, as returned by `Runner.put`.
        start, end: the first step, and the one after the last.
    """
    state = runner.state()
    timed = []
    try:
        for stage, first, after in stretches(config, start, end):
            runner.load({**state, "step": np.asarray(first, state["step"].dtype)})
            clocks = [time.perf_counter()]
            for batch in batches(first, min(first + _STEPS, after)):
                # Reading the losses waits for the step.
                _ = dict(runner.step(batch))
                clocks.append(time.perf_counter())
            timed.append(Stretch(stage, first, after, _estimate_step(np.diff(clocks))))
    finally:
        runner.load(state)
    return Pace(timed)


def format_duration(seconds: float) -> str:
    """Format seconds in a suitable unit: "40 s", "12 min", "3.5 h", "2.1 days"."""
    for unit, size, limit in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < limit * size:
            return f"{seconds / size:.{int(unit == 'h' and seconds < 10 * size)}f} {unit}"
    return f"{seconds / 86400:.1f} days"


def _estimate_step(seconds: np.ndarray) -> float:
    return float(median(seconds[1:] if len(seconds) > 1 else seconds))
