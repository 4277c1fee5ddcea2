"""Random numbers: NumPy's counter-based streams, which give the same bits on every backend."""

from collections.abc import Iterable, Iterator, Sequence
from zlib import crc32

import numpy as np

from alae_core.errors import ArgumentError
from alae_core.view import NoiseWord

#: the name of a noise mode, or a map (batch, R, R, 1) for each layer of G, R its resolution; a map of batch 1 is used
#: for every image
Noise = NoiseWord | Sequence[np.ndarray]


def require_seed(seed: int, argument: str = "seed") -> int:
    """Return `seed`. Raises ArgumentError, naming `argument`, if it is outside 0 … 2**63 − 1."""
    if not 0 <= seed < 2**63:
        raise ArgumentError(argument, f"is {seed}: it must lie in 0 … 2**63 - 1")
    return seed


def stream(seed: int, purpose: str, position: int = 0) -> np.random.Generator:
    """Return the random stream of one purpose at one position, such as a training step; independent of earlier draws.

    Args:
        seed: the run's seed, 0 … 2**63 − 1.
        purpose: names the use of the numbers, such as "z/generator"; different purposes give independent streams.
        position: different positions give disjoint parts of Philox's counter, 2**128 blocks apart.
    """
    return np.random.Generator(np.random.Philox(key=[seed, crc32(purpose.encode())], counter=[0, 0, position, 0]))


def sample_prior(count: int, size: int, *, seed: int, purpose: str = "prior", position: int = 0) -> np.ndarray:
    """z ~ N(0, I): float32 of shape (count, size)."""
    return next(prior_parts([count], size, seed=seed, purpose=purpose, position=position))


def prior_parts(
    counts: Iterable[int], size: int, *, seed: int, purpose: str = "prior", position: int = 0
) -> Iterator[np.ndarray]:
    """Yield the rows of `sample_prior` in parts of the given lengths; each part is drawn when it is requested."""
    random = stream(seed, purpose, position)
    return (random.standard_normal((count, size), dtype=np.float32) for count in counts)


def mixing_cutoff(probability: float, lod: int, *, seed: int, purpose: str, position: int) -> int:
    """How many of the 2·(lod + 1) style layers keep their style: all, or, with `probability`, uniform from 1 to all."""
    choice = stream(seed, purpose, position)
    layers = 2 * (lod + 1)
    return int(choice.integers(1, layers + 1)) if choice.random() < probability else layers


def noise_shapes(lod: int, count: int) -> list[tuple[int, int, int, int]]:
    """Return the shape of each noise map of G for `count` images; the first, on the learned constant, has batch 1."""
    sizes = [4 * 2 ** (layer // 2) for layer in range(2 * (lod + 1))]
    return [(count if layer else 1, size, size, 1) for layer, size in enumerate(sizes)]


def sample_noise(lod: int, count: int, *, seed: int) -> list[np.ndarray]:
    """η ~ N(0, I) for each layer of G: float32 of `noise_shapes`."""
    return [
        stream(seed, "noise", layer).standard_normal(shape, dtype=np.float32)
        for layer, shape in enumerate(noise_shapes(lod, count))
    ]
