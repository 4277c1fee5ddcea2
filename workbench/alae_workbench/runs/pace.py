"""How long a run will take, measured on the first steps of each of its levels."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from alae_core import Config, Runner
from alae_core.growth import Stage, stretches

# Steps taken of each level: the first compiles.
_TAKEN = 4


@dataclass(frozen=True)
class Stretch:
    """Steps that take equally long: those of one level.

    Attributes:
        stage: what holds there.
        first, end: the first step of them, and the one after the last.
        seconds: what one of them takes.
    """

    stage: Stage
    first: int
    end: int
    seconds: float

    @property
    def name(self) -> str:
        """The level's resolution, or "training" where there are no levels."""
        return "training" if self.stage.lod is None else f"{4 * 2**self.stage.lod}×{4 * 2**self.stage.lod}"


@dataclass(frozen=True)
class Pace:
    """The stretches of a run that are still to go."""

    stretches: Sequence[Stretch]

    def seconds(self, first: int, end: int) -> float:
        """What the steps from `first` up to `end` take."""
        return sum(max(0, min(end, each.end) - max(first, each.first)) * each.seconds for each in self.stretches)

    def __str__(self) -> str:
        took = {each.name: (each.end - each.first) * each.seconds for each in self.stretches}
        total = sum(took.values())
        parts = ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in took.items())
        return f"about {duration(total)} of training" + (f": {parts}" if len(took) > 1 else "")


def measure(
    runner: Runner, config: Config, batches: Callable[[int, int], Iterator[Any]], *, start: int, end: int
) -> Pace:
    """Take the first steps of every level between two steps of a run, and put the runner back as it was.

    Args:
        runner: what trains; every level that is to come is compiled after this.
        config: its configuration.
        batches: those of the steps from one up to another, as `Runner.put` returned them.
        start, end: the first step, and the one after the last.
    """
    state = runner.state()
    found = []
    try:
        for stage, first, after in stretches(config, start, end):
            runner.load({**state, "step": np.asarray(first, state["step"].dtype)})
            clocks = [time.perf_counter()]
            for batch in batches(first, min(first + _TAKEN, after)):
                # Reading the losses waits for them.
                _ = dict(runner.step(batch))
                clocks.append(time.perf_counter())
            found.append(Stretch(stage, first, after, _typical(np.diff(clocks))))
    finally:
        runner.load(state)
    return Pace(found)


def duration(seconds: float) -> str:
    """Seconds as a person says them: "40 s", "12 min", "3.5 h", "2.1 days"."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.{int(unit == 'h' and seconds < 10 * size)}f} {unit}"
    return f"{seconds / 86400:.1f} days"


def _typical(seconds: np.ndarray) -> float:
    return float(median(seconds[1:] if len(seconds) > 1 else seconds))
