"""Every random number that decides a result: NumPy's counter-based streams, the same bits on every backend."""

from zlib import crc32

import numpy as np


def stream(seed: int, purpose: str, position: int = 0) -> np.random.Generator:
    """The random stream of one purpose at one position (a training step, say); it depends on nothing drawn before.

    Args:
        seed: the run's seed, 0 … 2**63 − 1.
        purpose: what the numbers are for, such as "z/generator"; other purposes give independent streams.
        position: other positions give disjoint parts of Philox's counter, 2**128 blocks apart.
    """
    return np.random.Generator(np.random.Philox(key=[seed, crc32(purpose.encode())], counter=[0, 0, position, 0]))


def sample_prior(count: int, size: int, *, seed: int, purpose: str = "prior", position: int = 0) -> np.ndarray:
    """z ~ N(0, I): float32 of shape (count, size)."""
    return stream(seed, purpose, position).standard_normal((count, size), dtype=np.float32)
