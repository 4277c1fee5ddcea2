"""Training batches in an order that seed and step decide, read ahead of use."""

from collections.abc import Callable, Iterator
from typing import Any

import grain
import numpy as np

from alae_core.config import Config
from alae_core.errors import ArgumentError
from alae_core.growth import position
from alae_core.sizes import batch_sizes
from alae_core.streams import stream
from alae_workbench.data.source import Source, labels_for

_AHEAD = 4


def batches(
    source: Source,
    config: Config,
    *,
    steps: int,
    start: int = 0,
    mirror: bool = False,
    shard: tuple[int, int] = (0, 1),
    put: Callable[[np.ndarray, np.ndarray | None], Any],
) -> Iterator[Any]:
    """The batches of a run of `config` from step `start` to its last; a resumed run sees exactly those not yet seen.

    Every epoch is a new permutation of the images; a batch may reach from one epoch into the next. How many images a
    step takes, and at which level of detail, is `alae_core.growth`'s to say.

    Args:
        source: what to draw from.
        config: its seed decides the order, and which images are mirrored.
        steps: how many steps the whole run takes.
        start: the first batch wanted; no earlier one is read.
        mirror: show half of the images, at random, the other way round.
        shard: (k, n) gives the k-th, counted from 0, of n equal parts of each batch, and reads no other images: for
            one of n devices that train together. The parts one after the other are the whole batch, bit for bit.
        put: called with a batch of images at the size of the level they are for, as `Source.images` gives them, and
            their labels, None if the model takes none; on a thread of its own a few batches ahead: `Runner.put`, so
            that a batch is on its way to the device before it is needed.

    Raises:
        ArgumentError: `shard` names no part, or batches do not divide into as many.
    """
    _require_shard(shard, config)
    order = int(stream(config.seed, "order of images").integers(2**32))
    indices = grain.MapDataset.range(len(source)).seed(order).shuffle().repeat()

    def gather(step: int) -> Any:
        where = position(config, step)
        size = where.stage.batch_size
        mine = range(size)[size * shard[0] // shard[1] : size * (shard[0] + 1) // shard[1]]
        chosen = np.array([indices[where.shown + i] for i in mine])
        images = source.images(chosen, where.view.size if where.view else None)
        if mirror:
            mirrored = stream(config.seed, "mirrored images", step).random(size)[mine] < 0.5
            images[mirrored] = images[mirrored, :, ::-1]
        return put(images, labels_for(source, chosen, config))

    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_AHEAD)
    return iter(grain.MapDataset.range(start, steps).map(gather).to_iter_dataset(options))


def _require_shard(shard: tuple[int, int], config: Config) -> None:
    k, n = shard
    if n < 1 or not 0 <= k < n:
        raise ArgumentError("shard", f"is {shard}: it should be (k, n) with k in 0 … n − 1")
    for size, _ in batch_sizes(config):
        if size % n:
            raise ArgumentError("shard", f"is {shard}, but a batch of {size} does not divide into {n} equal parts")
