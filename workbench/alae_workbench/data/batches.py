"""Training batches, in an order determined by the seed and the step, and read ahead of use."""

from collections.abc import Callable, Iterator
from typing import Any

import grain
import numpy as np

from alae_core.config import Config
from alae_core.errors import ArgumentError
from alae_core.growth import position
from alae_core.shares import WHOLE, Share, require_division, select_rows
from alae_core.streams import stream
from alae_workbench.data.labels import select_labels
from alae_workbench.data.source import Source

# Batches that are read before they are needed.
_AHEAD = 4


def batches(
    source: Source,
    config: Config,
    *,
    steps: int,
    start: int = 0,
    mirror: bool = False,
    share: Share = WHOLE,
    put: Callable[[np.ndarray, np.ndarray | None], Any],
) -> Iterator[Any]:
    """Iterate over the batches of a run, from step `start` to the last.

    Each epoch is a new permutation of the images, and a batch may span two epochs. A resumed run gets exactly the
    batches that it has not trained on. `alae_core.growth` determines each step's batch size and level of detail.

    Args:
        source: the training images.
        config: its seed determines the order of the images and which are mirrored.
        steps: steps of the whole run.
        start: the first step; images of earlier steps are not read.
        mirror: mirror a random half of the images left to right.
        share: a part of each batch, for processes that train together; only its images are read. Concatenated, parts
            that are not separate equal the whole batch bit for bit.
        put: receives a batch of images at the size of their level, as `Source.images` returns them, and their labels,
            or None for a model without labels. It runs in another thread a few batches ahead, so that `Runner.put` can
            copy them to the device before they are needed.

    Raises:
        ArgumentError: `share` is out of range, or batches do not divide into equal parts.
    """
    _require_share(share, config)
    order = int(stream(config.seed, "order of images").integers(2**32))
    indices = grain.MapDataset.range(len(source)).seed(order).shuffle().repeat()

    def read_batch(step: int) -> Any:
        where = position(config, step)
        size = where.stage.batch_size
        rows = select_rows(config, size, share)
        chosen = np.array([indices[where.shown + int(i)] for i in rows])
        images = source.images(chosen, where.view.size if where.view else None)
        if mirror:
            mirrored = stream(config.seed, "mirrored images", step).random(size)[rows] < 0.5
            images[mirrored] = images[mirrored, :, ::-1]
        return put(images, select_labels(source, chosen, config))

    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_AHEAD)
    return iter(grain.MapDataset.range(start, steps).map(read_batch).to_iter_dataset(options))


def _require_share(share: Share, config: Config) -> None:
    if not 0 <= share.part < share.parts:
        raise ArgumentError("share", f"is part {share.part} of {share.parts}; parts count from 0")
    require_division(config, share.parts, "share")
