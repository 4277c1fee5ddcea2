"""The random numbers that each update of a training step draws on the host."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from alae_core.config import Config
from alae_core.groups import Transform
from alae_core.growth import position
from alae_core.streams import mixing_cutoff, sample_prior, stream

#: the kinds of draws: z from the prior; mix, other z for style mixing; noise for G; augment, how images are changed
Draw = Literal["z", "mix", "noise", "augment"]
#: uniform numbers that augmentation draws per image for each transformation; the first decides whether it happens
NUMBERS: dict[Transform, int] = {"flip": 1, "shift": 3, "scale": 2, "rotate": 2, "colour": 5, "cutout": 3}


class Draws(NamedTuple):
    """Everything that one update draws: NumPy arrays, or in a `Batch` the same as tensors.

    Attributes:
        z: (batch, z); None for an update that draws none.
        mix: other z (batch, z) for the styles of the layers from `cutoff` on; None if styles are not mixed.
        cutoff: the number of layers that keep the style of `z`.
        noise: a map (batch, R, R, 1) for each layer of G, R its resolution, the first of batch 1; None means that the
            device draws them.
        augment: (batch, 16), uniform in [0, 1), see `NUMBERS`; the real and the generated image of a row are changed in
            the same way. None leaves images unchanged. In a `Batch`, the parameters that `augment.changes` computes
            from them, (batch, 17).
    """

    z: Any | None
    mix: Any | None = None
    cutoff: Any | None = None
    noise: Sequence[Any] | None = None
    augment: Any | None = None


class Drawing(Protocol):
    """The part of an `Update` that decides its draws."""

    @property
    def name(self) -> str:
        """The update's name, which selects its streams."""

    @property
    def draws(self) -> Sequence[Draw]:
        """The kinds of its draws."""


def draw(config: Config, updates: Iterable[Drawing], step: int, count: int) -> dict[str, Draws]:
    """Return the draws of each update of training step `step` (from 0) for `count` images, by the update's name.

    z and mix are float32 of shape (count, z). Styles are mixed only if the networks have styles, and images augmented
    only if configured. Noise is None: the device draws it.
    """
    return {update.name: _draw_one(config, update, step, count) for update in updates}


def _draw_one(config: Config, update: Drawing, step: int, count: int) -> Draws:
    z = mix = cutoff = augment = None
    lod = position(config, step).stage.lod

    def prior(purpose: str) -> np.ndarray:
        size, seed = config.networks.z, config.seed
        return sample_prior(count, size, seed=seed, purpose=f"{purpose}/{update.name}", position=step)

    if "z" in update.draws:
        z = prior("z")
        if lod is not None and "mix" in update.draws and config.style.style_mixing:
            mix, purpose = prior("mix"), f"cutoff/{update.name}"
            cutoff = mixing_cutoff(config.style.style_mixing, lod, seed=config.seed, purpose=purpose, position=step)
    if "augment" in update.draws and config.augment is not None:
        random = stream(config.seed, f"augment/{update.name}", step)
        augment = random.random((count, sum(NUMBERS.values())), dtype=np.float32)
    return Draws(z, mix, cutoff, None, augment)
