"""Training batches in an order that seed and step decide, read ahead of use."""

from collections.abc import Callable, Iterator
from typing import Any

import grain
import numpy as np

from alae_core.latents import stream
from alae_workbench.data.images import Images

_AHEAD = 4


def batches(
    images: Images, batch_size: int, *, seed: int, start: int = 0, put: Callable[[np.ndarray, np.ndarray | None], Any]
) -> Iterator[Any]:
    """The endless batches of a run from step `start` on; a resumed run sees exactly those it has not yet seen.

    Every epoch is a new permutation of the images; a batch may reach from one epoch into the next.

    Args:
        images: what to draw from.
        batch_size: images per batch, always this many.
        seed: decides the order.
        start: the first batch wanted; no earlier one is read.
        put: called with float32 images (batch, H, W, C) in [−1, 1] and their labels or None, on a thread of its own
            a few batches ahead: `Runner.put`, so that a batch is on its way to the device before it is needed.
    """

    def gather(chosen: np.ndarray) -> Any:
        batch = images[chosen]
        return put(batch.floats(), batch.labels)

    order = int(stream(seed, "order of images").integers(2**32))
    indices = grain.MapDataset.range(len(images)).seed(order).shuffle().repeat().batch(batch_size)
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_AHEAD)
    return iter(indices[start:].map(gather).to_iter_dataset(options))
