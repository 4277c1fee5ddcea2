"""Random numbers of the updates, from a Philox stream for each purpose, by the specification's formula."""

from zlib import crc32

import numpy as np

from alae_conformance.reference.layers import Array
from alae_core.config import Config


def draw_styles(
    config: Config, update: str, step: int, count: int, lod: int | None
) -> tuple[Array, Array | None, int | None]:
    """Draw z (count, z) and, if styles are mixed, a second z and the number of layers that keep the style of the first.

    With the probability of style mixing, that number is uniform from 1 to the level's number of layers; otherwise it is
    the number of layers.
    """
    z = _prior(config, f"z/{update}", step, count)
    mixes = config.algorithm == "alae" and update != "reciprocity"
    if lod is None or not mixes or not config.style.style_mixing:
        return z, None, None
    layers, choice = 2 * (lod + 1), stream(config, f"cutoff/{update}", step)
    mixed = choice.random() < config.style.style_mixing
    keeping = int(choice.integers(1, layers, endpoint=True)) if mixed else layers
    return z, _prior(config, f"mix/{update}", step, count), keeping


def draw_augmentation(config: Config, update: str, step: int, count: int) -> Array | None:
    """Draw the numbers (count, 16), uniform in [0, 1), that augment the images of an update; None if it has none."""
    if config.augment is None or update == "reciprocity":
        return None
    return stream(config, f"augment/{update}", step).random((count, 16), dtype=np.float32)


def _prior(config: Config, purpose: str, step: int, count: int) -> Array:
    """Draw z ~ N(0, I) in float32."""
    size = count, config.networks.z
    return stream(config, purpose, step).standard_normal(size, dtype=np.float32).astype(np.float64)


def stream(config: Config, purpose: str, step: int = 0) -> np.random.Generator:
    """Return the generator of one purpose at one step of a run."""
    return stream_of(config.seed, purpose, step)


def stream_of(seed: int, purpose: str, position: int = 0) -> np.random.Generator:
    """Return a generator: seed and purpose are its key, and each position has 2**128 blocks."""
    key, counter = [seed, crc32(purpose.encode())], [0, 0, position, 0]
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
