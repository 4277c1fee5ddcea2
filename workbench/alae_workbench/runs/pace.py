"""Time the steps of a run, level by level, and estimate the duration of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from alae_core import Config, View
from alae_core.growth import Stage, stretches


@dataclass(frozen=True)
class Stretch:
    """The steps of one level, which take equally long.

    Attributes:
        stage: the level's settings.
        first, end: its first step, and the one after its last.
        seconds: the duration of one step.
        compiling: the additional duration of its first step.
        reached: whether its steps were timed; otherwise `seconds` and `compiling` are estimates.
    """

    stage: Stage
    first: int
    end: int
    seconds: float
    compiling: float
    reached: bool

    @property
    def name(self) -> str:
        """See `name_level`."""
        return name_level(self.stage)


@dataclass(frozen=True)
class Pace:
    """The duration of a run.

    Attributes:
        stretches: its levels, from the first step that this process took.
    """

    stretches: Sequence[Stretch]

    def seconds(self, first: int, end: int) -> float:
        """Return the estimated seconds from step `first` up to step `end`."""
        return sum(
            max(0, min(end, stretch.end) - max(first, stretch.first)) * stretch.seconds
            + (stretch.compiling if first <= stretch.first < end else 0.0)
            for stretch in self.stretches
        )

    def __str__(self) -> str:
        seconds = {stretch.name: self.seconds(stretch.first, stretch.end) for stretch in self.stretches}
        total = sum(seconds.values())
        about = "" if all(stretch.reached for stretch in self.stretches) else "about "
        shares = ", ".join(f"{name} {share / total:.0%}" for name, share in seconds.items())
        return f"estimated training time: {about}{format_duration(total)}" + (
            f" ({shares})" if len(seconds) > 1 else ""
        )


class PaceMeter:
    """Collects the durations of a run's steps and of its other work.

    Args:
        config: the configuration of the run.
        start, end: the first step, and the one after the last.
    """

    def __init__(self, config: Config, start: int, end: int) -> None:
        self._start, self._end = start, end
        self._levels = [_Level(*each, count_multiplications(config, each[0])) for each in stretches(config, start, end)]
        self._other = self._measuring = self._last_measuring = 0.0

    def add_compiling(self, step: int, seconds: float) -> None:
        """Add the duration of step number `step`, which compiled."""
        self._find(step).compiling += seconds

    def add_steps(self, first: int, end: int, seconds: float) -> None:
        """Add the duration of the steps from `first` up to `end`, of one level, without compiling."""
        level = self._find(first)
        level.timed, level.seconds = level.timed + end - first, level.seconds + seconds

    def add_other(self, seconds: float) -> None:
        """Add the duration of reports, grids, measures and checkpoints."""
        self._other += seconds

    def add_measuring(self, seconds: float) -> None:
        """Add the duration of one evaluation of `training.measures`."""
        self._last_measuring, self._measuring = seconds, self._measuring + seconds

    def is_timed(self, step: int) -> bool:
        """Whether steps of the level of step number `step` were timed."""
        return self._find(step).timed > 0

    def estimate(self) -> Pace:
        """Estimate the pace of the whole run. Levels without timed steps take none before the first that has some.

        A level that was not reached is extrapolated from the level before, by the number of multiplications in a step.
        """
        found: list[Stretch] = []
        per_multiplication = compiling = 0.0
        for level in self._levels:
            seconds = level.seconds / level.timed if level.timed else per_multiplication * level.multiplications
            per_multiplication, compiling = seconds / level.multiplications, level.compiling or compiling
            found.append(Stretch(level.stage, level.first, level.end, seconds, compiling, level.timed > 0))
        return Pace(found)

    def seconds_left(self, step: int) -> float | None:
        """Return the estimated seconds after `step` steps, with other work as frequent as before; None if unknown."""
        if not any(level.timed for level in self._levels):
            return None
        other = self._other / max(1, step - self._start)
        return self.estimate().seconds(step, self._end) + other * (self._end - step)

    def allows_measuring(self, share: float) -> bool:
        """Whether measuring once more, as long as the last time, stays within a share of all time."""
        training, measuring = sum(level.seconds for level in self._levels), self._measuring + self._last_measuring
        return measuring <= share * (training + measuring)

    def _find(self, step: int) -> "_Level":
        return next(level for level in self._levels if level.first <= step < level.end)


@dataclass
class _Level:
    stage: Stage
    first: int
    end: int
    #: see `count_multiplications`
    multiplications: int
    #: seconds of compiling steps; the number of other steps that were timed, and their seconds
    compiling: float = 0.0
    timed: int = 0
    seconds: float = 0.0


def count_multiplications(config: Config, stage: Stage) -> int:
    """Return the multiplications of the convolutions in a training step of a level, up to a constant factor.

    Returns 1 for networks that do not grow.
    """
    if stage.lod is None:
        return 1
    widths = config.style.widths(config.lods)
    blocks = [(4 * 2**i) ** 2 * widths[i] * (widths[max(i - 1, 0)] + widths[i]) for i in range(stage.lod + 1)]
    return stage.batch_size * sum(blocks)


def name_level(stage: Stage) -> str:
    """Return the resolution of a level, such as "8×8", or "training" for networks that do not grow."""
    return "training" if stage.lod is None else str(View(stage.lod))


def format_duration(seconds: float) -> str:
    """Format seconds in a suitable unit: "40 s", "12 min", "3.5 h", "2.1 days"."""
    for unit, size, limit in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < limit * size:
            return f"{seconds / size:.{int(unit == 'h' and seconds < 10 * size)}f} {unit}"
    return f"{seconds / 86400:.1f} days"
