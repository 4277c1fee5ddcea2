"""Progressive growing of StyleALAE (paper section 4; Karras et al. 2018): the schedule, and real images of a level."""

from math import cos, inf, pi
from typing import Any, NamedTuple

from alae_conformance.reference.layers import Array
from alae_conformance.reference.linear import Downsample, Upsample, average_blocks
from alae_core.config import Config


class Position(NamedTuple):
    """The position of a step in the schedule."""

    lod: int | None  # None for networks without levels of detail
    blend: float
    batch_size: int
    learning_rate: float
    restarts: bool  # whether Adam's state is reset before the step
    average_decay: float
    r1_gamma: float | None = None  # None if no schedule changes it


def position(config: Config, step: int) -> Position:
    """Return the level of detail of a step, how far it has faded in, and its settings."""
    # The step and the images of each level from which to count.
    first, known = (
        (config.resumed.step, list(config.resumed.shown)) if config.resumed else (0, [0] * max(1, config.lods))
    )
    # Earlier steps, which had other batch sizes, count as the one from which the run was resumed.
    step = max(step, first)
    if config.growth is None:
        size, seen = config.batch_size, known[0] + (step - first) * config.batch_size
        return Position(None, 1.0, size, config.adam.learning_rate, False, 0.0)._replace(
            **scheduled(config, size, config.adam.learning_rate, seen)
        )
    before = 0
    for lod, level in enumerate(config.growth.levels):
        if lod < config.growth.from_level:
            continue
        size = level.batch_size or config.batch_size
        steps = max(0, -(-(level.images - known[lod]) // size)) if lod + 1 < config.lods else inf
        if step < first + steps:
            shown, fading = known[lod] + (step - first) * size, level.fade * level.images
            blend = (1 - cos(pi * shown / fading)) / 2 if lod and shown < fading else 1.0
            restarts = config.growth.restart_adam and lod > 0 and shown == 0
            rate, seen = level.learning_rate or config.adam.learning_rate, before + shown
            return Position(lod, blend, size, rate, restarts, 0.0)._replace(**scheduled(config, size, rate, seen))
        first, before = first + int(steps), before + known[lod] + int(steps) * size
    raise AssertionError("the last level has no end")


def scheduled(config: Config, size: int, rate: float, seen: int) -> dict[str, Any]:
    """Return the fields of `Position` that depend on the number of images seen before the step.

    The half-life of averages is at most a fraction `average_warmup` of that number.
    """
    halflife = config.average_halflife
    if config.average_warmup:
        halflife = min(halflife, config.average_warmup * seen)
    found: dict[str, Any] = {"average_decay": 2 ** (-size / halflife) if halflife else 0.0}
    schedule = config.schedule
    if schedule is None or schedule.images is None:
        return found
    # 0 while values are constant, then half a cosine to 1.
    first = schedule.constant * schedule.images
    part = min(max((seen - first) / (schedule.images - first), 0), 1)
    way = (1 - cos(pi * part)) / 2
    found["learning_rate"] = rate * ((1 - way) + way * schedule.rate_end)
    if schedule.r1_gamma_end is not None:
        found["r1_gamma"] = (1 - way) * config.r1_gamma + way * schedule.r1_gamma_end
    return found


def show_at_level(images: Array, lod: int, blend: float) -> Array:
    """Downsample real images to a level's resolution, and fade them as generated images are."""
    images = average_blocks(images, images.shape[1] // (4 * 2**lod))
    if lod == 0:
        return images
    return (1 - blend) * Upsample().apply(Downsample().apply(images)) + blend * images
