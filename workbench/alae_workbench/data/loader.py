"""Training batches in an order that seed and step decide, read ahead of use."""

from collections.abc import Callable, Iterator
from typing import Any

import grain
import numpy as np

from alae_core import Config
from alae_core.growth import position, total_steps
from alae_core.latents import stream
from alae_workbench.data.images import Images

_AHEAD = 4


def batches(
    images: Images, config: Config, *, start: int = 0, put: Callable[[np.ndarray, np.ndarray | None], Any]
) -> Iterator[Any]:
    """The batches of a run of `config` from step `start` to its last; a resumed run sees exactly those not yet seen.

    Every epoch is a new permutation of the images; a batch may reach from one epoch into the next. How many images a
    step takes is `alae_core.growth`'s to say.

    Args:
        images: what to draw from.
        config: its seed decides the order, and which images are mirrored.
        start: the first batch wanted; no earlier one is read.
        put: called with float32 images (batch, H, W, C) in [−1, 1] and their labels or None, on a thread of its own
            a few batches ahead: `Runner.put`, so that a batch is on its way to the device before it is needed.
    """
    seed = config.training.seed
    order = int(stream(seed, "order of images").integers(2**32))
    indices = grain.MapDataset.range(len(images)).seed(order).shuffle().repeat()

    def gather(step: int) -> Any:
        where = position(config, step)
        batch = images[np.array([indices[where.shown + i] for i in range(where.stage.batch_size)])]
        pixels = batch.floats()
        if config.training.mirror:
            mirrored = stream(seed, "mirrored images", step).random(len(pixels)) < 0.5
            pixels[mirrored] = pixels[mirrored, :, ::-1]
        return put(pixels, batch.labels)

    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_AHEAD)
    return iter(grain.MapDataset.range(start, total_steps(config)).map(gather).to_iter_dataset(options))
