"""Every random number that decides a result: NumPy's counter-based streams, the same bits on every backend."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np

from alae_core.config import Config, Transform
from alae_core.errors import ArgumentError
from alae_core.growth import position
from alae_core.view import NoiseWord

if TYPE_CHECKING:
    from alae_core.updates import Update

#: what an image that is augmented draws: how many uniform numbers for each transformation, the first of which decides
#: whether it happens
NUMBERS: dict[Transform, int] = {"flip": 1, "shift": 3, "scale": 2, "rotate": 2, "colour": 5, "cutout": 3}
#: a word, or a map (batch, R, R, 1) for each layer of G, R its resolution; one of batch 1 serves every image
Noise = NoiseWord | Sequence[np.ndarray]


def require_seed(seed: int, argument: str = "seed") -> int:
    """`seed`, where streams can start from it. Raises ArgumentError."""
    if not 0 <= seed < 2**63:
        raise ArgumentError(argument, f"is {seed}: it must lie in 0 … 2**63 - 1")
    return seed


def stream(seed: int, purpose: str, position: int = 0) -> np.random.Generator:
    """The random stream of one purpose at one position (a training step, say); it depends on nothing drawn before.

    Args:
        seed: the run's seed, 0 … 2**63 − 1.
        purpose: what the numbers are for, such as "z/generator"; other purposes give independent streams.
        position: other positions give disjoint parts of Philox's counter, 2**128 blocks apart.
    """
    return np.random.Generator(np.random.Philox(key=[seed, crc32(purpose.encode())], counter=[0, 0, position, 0]))


class Draws(NamedTuple):
    """All that one update draws.

    Attributes:
        z: (batch, z); None for an update that draws none.
        mix: other z (batch, z), whose styles the layers from `cutoff` on take; None where no styles are mixed.
        cutoff: how many layers keep the style of `z`.
        noise: a map (batch, R, R, 1) for each layer of G, R its resolution, the first of batch 1; None has them drawn
            on the device.
        augment: (batch, 16), `NUMBERS` uniform in [0, 1) for each row of the batch, whose real image and generated one
            are changed alike; None where images are shown as they are.
    """

    z: np.ndarray | None
    mix: np.ndarray | None = None
    cutoff: int | None = None
    noise: Sequence[np.ndarray] | None = None
    augment: np.ndarray | None = None


def draws(config: Config, updates: "Sequence[Update]", step: int, count: int) -> dict[str, Draws]:
    """What every update of training step `step` (0 is the first) draws, each its own: float32 z (count, z).

    Where the networks have styles, an update may mix them; its noise is left to the device. Where the configuration
    augments images, an update draws how.
    """
    return {
        update.name: _draw(config, update, step, count)._replace(augment=_augmenting(config, update, step, count))
        for update in updates
    }


def _augmenting(config: Config, update: "Update", step: int, count: int) -> np.ndarray | None:
    if config.augment is None or "augment" not in update.draws:
        return None
    random = stream(config.seed, f"augment/{update.name}", step)
    return random.random((count, sum(NUMBERS.values())), dtype=np.float32)


def _draw(config: Config, update: "Update", step: int, count: int) -> Draws:
    def prior(purpose: str) -> np.ndarray:
        size, seed = config.networks.z, config.seed
        return sample_prior(count, size, seed=seed, purpose=f"{purpose}/{update.name}", position=step)

    if "z" not in update.draws:
        return Draws(None)
    lod = position(config, step).stage.lod
    if lod is None or "mix" not in update.draws or not config.style.style_mixing:
        return Draws(prior("z"))
    probability, purpose = config.style.style_mixing, f"cutoff/{update.name}"
    cutoff = mixing_cutoff(probability, lod, seed=config.seed, purpose=purpose, position=step)
    return Draws(prior("z"), prior("mix"), cutoff)


def sample_prior(count: int, size: int, *, seed: int, purpose: str = "prior", position: int = 0) -> np.ndarray:
    """z ~ N(0, I): float32 of shape (count, size)."""
    return next(prior_parts([count], size, seed=seed, purpose=purpose, position=position))


def prior_parts(
    counts: Iterable[int], size: int, *, seed: int, purpose: str = "prior", position: int = 0
) -> Iterator[np.ndarray]:
    """The rows of `sample_prior` in parts, the first `counts[0]` of them, and so on; each is drawn when asked for."""
    random = stream(seed, purpose, position)
    return (random.standard_normal((count, size), dtype=np.float32) for count in counts)


def mixing_cutoff(probability: float, lod: int, *, seed: int, purpose: str, position: int) -> int:
    """How many of 2·(lod + 1) style layers keep their style: with `probability` uniform from 1 to all, else all."""
    choice = stream(seed, purpose, position)
    layers = 2 * (lod + 1)
    return int(choice.integers(1, layers + 1)) if choice.random() < probability else layers


def noise_shapes(lod: int, count: int) -> list[tuple[int, int, int, int]]:
    """The shape of each of G's noise maps for `count` images; one map serves all on the learned constant."""
    sizes = [4 * 2 ** (layer // 2) for layer in range(2 * (lod + 1))]
    return [(count if layer else 1, size, size, 1) for layer, size in enumerate(sizes)]


def sample_noise(lod: int, count: int, *, seed: int) -> list[np.ndarray]:
    """η ~ N(0, I) for each layer of G, float32 of `noise_shapes`; the same bits on every backend."""
    return [
        stream(seed, "noise", layer).standard_normal(shape, dtype=np.float32)
        for layer, shape in enumerate(noise_shapes(lod, count))
    ]


def truncate(w: np.ndarray, mean: np.ndarray, psi: float, truncated: int, layers: int) -> np.ndarray:
    """Styles for each layer, (batch, layers, w): mean + ψ · (w − mean) on the first `truncated`, w on the others.

    Args:
        w: (batch, w), or already a style for each layer (batch, layers, w).
        mean: the running mean of w, (w,).
        psi: 1 leaves every style as it is, 0 makes it the mean (Karras et al. 2019, section 2.1 and appendix B).
        truncated, layers: how many style layers, coarsest first; how many in all.
    """
    styles = np.repeat(w[:, None], layers, axis=1) if w.ndim == 2 else w
    # Written so that 0 and 1 are exact.
    return np.where(np.arange(layers)[:, None] < truncated, psi * styles + (1 - psi) * mean, styles).astype(w.dtype)
