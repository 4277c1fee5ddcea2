"""The schedule: level of detail, fade-in, learning rate, γ and averages as functions of the training step."""

from collections.abc import Iterator
from math import cos, pi
from typing import NamedTuple

from alae_core.config import Config
from alae_core.groups import Adam
from alae_core.view import View


class Stage(NamedTuple):
    """The constants of one level of detail; hashable, so that a step is compiled once for each level.

    Attributes:
        lod: the level of detail, 0 … L−1; None for networks without levels.
        batch_size: images per step.
        adam: Adam at this level's learning rate.
        average_decay: β of the averaged networks, average ← β·average + (1−β)·weight: 0.5^(batch / half-life).
    """

    lod: int | None
    batch_size: int
    adam: Adam
    average_decay: float


class Rates(NamedTuple):
    """The numbers that change from step to step. None where they are those of the stage or of the configuration.

    Attributes:
        rate: the factor of the stage's learning rate.
        r1_gamma: γ of R1.
        average_decay: β of the averaged networks.
    """

    rate: float | None = None
    r1_gamma: float | None = None
    average_decay: float | None = None


class Position(NamedTuple):
    """The position of a run in its schedule before one of its steps.

    Attributes:
        stage: the constants of the level.
        blend: how far the level has faded in, 0 … 1.
        shown: the number of real images shown by all earlier steps.
        restarts: whether Adam's moments and counts restart at this step.
        rates: the numbers that change from step to step.
    """

    stage: Stage
    blend: float
    shown: int
    restarts: bool
    rates: Rates

    @property
    def view(self) -> View | None:
        """The level and its blend; None for networks without levels."""
        return None if self.stage.lod is None else View(self.stage.lod, self.blend)


def count_shown(config: Config, step: int) -> tuple[int, ...]:
    """Return the real images shown at each level by the steps before `step`; one number for networks without levels.

    Steps are counted on from `config.resumed`, if it is set; earlier ones had other batch sizes, and count as that one.
    """
    start, known = (config.resumed.step, config.resumed.shown) if config.resumed else (0, ())
    left, found = max(0, step - start), []
    for lod, (batch_size, images) in enumerate(_levels_of(config)):
        shown = known[lod] if lod < len(known) else 0
        steps = left if images is None else min(left, _count_steps(images - shown, batch_size))
        found.append(shown + steps * batch_size)
        left -= steps
    return tuple(found)


def position(config: Config, step: int) -> Position:
    """Return the position of a run of `config` before training step `step` (from 0).

    The blend is ½ − ½cos(π · fraction of the fade's images shown), 0 at a level's first step; the first level does not
    fade. After the end of the schedule the last level continues. Levels before `growth.from_level` are skipped.
    """
    counts = count_shown(config, step)
    shown = sum(counts)
    if config.growth is None:
        stage = _stage(config, None, config.batch_size, config.adam.learning_rate)
        return Position(stage, 1.0, shown, restarts=False, rates=_rates(config, shown, stage))
    levels = _levels_of(config)
    lod = next(lod for lod, (_, images) in enumerate(levels) if images is None or counts[lod] < images)
    level, count = config.growth.levels[lod], counts[lod]
    stage = _stage(config, lod, levels[lod][0], level.learning_rate or config.adam.learning_rate)
    fading = level.fade * level.images if lod else 0
    progress = min(1.0, count / fading) if fading else 1.0
    restarts = config.growth.restart_adam and lod > 0 and count == 0
    return Position(stage, _ease(progress), shown, restarts, _rates(config, shown, stage))


def scheduled_steps(config: Config) -> int | None:
    """Return the number of steps of the growth schedule; None for a configuration without one."""
    if config.growth is None:
        return None
    start = config.resumed.step if config.resumed else 0
    levels = list(zip(config.growth.levels, _levels_of(config), count_shown(config, start), strict=True))
    return start + sum(
        _count_steps(level.images - shown, batch_size)
        for level, (batch_size, _), shown in levels[config.growth.from_level :]
    )


def stretches(config: Config, start: int, end: int) -> Iterator[tuple[Stage, int, int]]:
    """Yield the stages of a run from step `start` to before `end`: (stage, its first step, the step after its last)."""
    first = start
    while first < end:
        stage, last = position(config, first).stage, end - 1
        if position(config, last).stage != stage:
            low = first
            # Find the last step of the stage by bisection: a schedule has millions of steps.
            while last - low > 1:
                middle = (low + last) // 2
                low, last = (middle, last) if position(config, middle).stage == stage else (low, middle)
            last = low
        yield stage, first, last + 1
        first = last + 1


def _rates(config: Config, shown: int, stage: Stage) -> Rates:
    """Return the rates after `shown` images: those of `config.schedule` and `config.average_warmup`."""
    schedule, rate, gamma, decay = config.schedule, None, None, None
    if schedule is not None and schedule.images is not None:
        progress = (shown / schedule.images - schedule.constant) / (1 - schedule.constant)
        eased = _ease(min(1.0, max(0.0, progress)))
        if schedule.rate_end != 1:
            rate = 1 + (schedule.rate_end - 1) * eased
        if schedule.r1_gamma_end is not None:
            gamma = config.r1_gamma + (schedule.r1_gamma_end - config.r1_gamma) * eased
    if config.average_warmup:
        halflife = min(config.average_halflife, config.average_warmup * shown)
        decay = 0.5 ** (stage.batch_size / halflife) if halflife else 0.0
    return Rates(rate, gamma, decay)


def _ease(progress: float) -> float:
    return 0.5 - 0.5 * cos(pi * progress)


def _levels_of(config: Config) -> list[tuple[int, int | None]]:
    """(batch size, images to show) of each level: 0 images for skipped ones, None for the last, which continues."""
    if config.growth is None:
        return [(config.batch_size, None)]
    sizes = [level.batch_size or config.batch_size for level in config.growth.levels]
    images = [level.images if lod >= config.growth.from_level else 0 for lod, level in enumerate(config.growth.levels)]
    return [*zip(sizes, [*images[:-1], None], strict=True)]


def _count_steps(images: int, batch_size: int) -> int:
    """Return the steps that show at least `images` images; 0 if there are none left."""
    return max(0, -(-images // batch_size))


def _stage(config: Config, lod: int | None, batch_size: int, learning_rate: float) -> Stage:
    adam = config.adam.model_copy(update={"learning_rate": learning_rate})
    return Stage(lod, batch_size, adam, 0.5 ** (batch_size / config.average_halflife))
