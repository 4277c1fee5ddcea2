"""Progressive growing of StyleALAE (paper section 4; Karras et al. 2018): the schedule, and real images of a level."""

from math import cos, inf, pi
from typing import NamedTuple

from alae_conformance.reference.features import Downsample, Upsample, average_blocks
from alae_conformance.reference.layers import Array
from alae_core.config import Config


class Position(NamedTuple):
    """The position of a step in the schedule."""

    lod: int | None  # None for networks without levels of detail
    blend: float
    batch_size: int
    learning_rate: float
    restarts: bool  # whether Adam's state is reset before the step


def position(config: Config, step: int) -> Position:
    """Return the level of detail of a step, how far it has faded in, and its settings."""
    if config.growth is None:
        return Position(None, 1.0, config.batch_size, config.adam.learning_rate, False)
    first = 0
    for lod, level in enumerate(config.growth.levels):
        size = level.batch_size or config.batch_size
        steps = -(-level.images // size) if lod + 1 < config.lods else inf
        if step < first + steps:
            shown, fading = (step - first) * size, level.fade * level.images
            blend = (1 - cos(pi * shown / fading)) / 2 if lod and shown < fading else 1.0
            restarts = config.growth.restart_adam and lod > 0 and step == first
            return Position(lod, blend, size, level.learning_rate or config.adam.learning_rate, restarts)
        first += int(steps)
    raise AssertionError("the last level has no end")


def show_at_level(images: Array, lod: int, blend: float) -> Array:
    """Downsample real images to a level's resolution, and fade them as generated images are."""
    images = average_blocks(images, images.shape[1] // (4 * 2**lod))
    if lod == 0:
        return images
    return (1 - blend) * Upsample().apply(Downsample().apply(images)) + blend * images
