"""Level of detail, fade-in and pace as functions of the training step, and real images as a level sees them."""

from math import ceil, cos, pi
from typing import Any, NamedTuple

from alae_core.config import Adam, Config, Level

Tensor = Any


class Stage(NamedTuple):
    """What stays the same from one level of detail to the next; hashable, so that a step is compiled once for each.

    Attributes:
        lod: the level of detail, 0 … L−1; None for networks that have none.
        batch_size: images per step.
        adam: Adam at this level's learning rate.
        average_decay: β of the averaged networks, average ← β·average + (1−β)·weight: 0.5^(batch / half-life).
    """

    lod: int | None
    batch_size: int
    adam: Adam
    average_decay: float


class Position(NamedTuple):
    """Where a run is before one of its steps.

    Attributes:
        stage: what holds at this level.
        blend: how far the level has faded in, 0 … 1.
        shown: real images shown by all steps before.
        restarts: whether Adam's moments and counts start anew with this step.
    """

    stage: Stage
    blend: float
    shown: int
    restarts: bool


def position(config: Config, step: int) -> Position:
    """Where a run of `config` is before training step `step` (0 is the first).

    blend is ½ − ½cos(π · share of the fade's images shown), from 0 at a level's first step; the first level does not
    fade. After the schedule the last level goes on.
    """
    if config.growth is None:
        stage = _stage(config, None, config.training.batch_size, config.adam.learning_rate)
        return Position(stage, 1.0, step * stage.batch_size, restarts=False)
    shown = 0
    for lod, level in enumerate(config.growth.levels):
        batch_size, steps = _pace(config, level)
        if step < steps or lod == config.lods - 1:
            break
        step, shown = step - steps, shown + steps * batch_size
    stage = _stage(config, lod, batch_size, level.learning_rate or config.adam.learning_rate)
    fading = level.fade * level.images if lod else 0
    progress = min(1.0, step * batch_size / fading) if fading else 1.0
    restarts = config.growth.restart_adam and lod > 0 and step == 0
    return Position(stage, 0.5 - 0.5 * cos(pi * progress), shown + step * batch_size, restarts)


def total_steps(config: Config) -> int:
    """How many steps a run of `config` takes."""
    if config.training.steps is not None:
        return config.training.steps
    # A configuration without a growth schedule says its steps; that is validated.
    levels = config.growth.levels if config.growth else ()
    return sum(_pace(config, level)[1] for level in levels)


def real_images(images: Tensor, lod: int, blend: float) -> Tensor:
    """Images (batch, H, W, C) as level `lod` is shown them: pooled to its resolution, and faded like its fakes.

    Raises ValueError where they are smaller than the level, or no power of two times its size.
    """
    from alae_core.networks.features import downsample, from_nhwc, to_nhwc, upsample

    x, (height, width), size = from_nhwc(images), images.shape[1:3], 4 * 2**lod
    if height != width or height % size or (height // size).bit_count() != 1:
        raise ValueError(f"images of {height}×{width} cannot be pooled to the {size}×{size} of level {lod}")
    for _ in range((height // size).bit_length() - 1):
        x = downsample(x)
    if lod and blend < 1:
        x = upsample(downsample(x)) * (1 - blend) + x * blend
    return to_nhwc(x)


def _pace(config: Config, level: Level) -> tuple[int, int]:
    """(batch size, steps) of a level."""
    batch_size = level.batch_size or config.training.batch_size
    return batch_size, ceil(level.images / batch_size)


def _stage(config: Config, lod: int | None, batch_size: int, learning_rate: float) -> Stage:
    adam = config.adam.model_copy(update={"learning_rate": learning_rate})
    return Stage(lod, batch_size, adam, 0.5 ** (batch_size / config.average_halflife))
