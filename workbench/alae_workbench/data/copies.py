"""Exact copies of training images among held-out images, which make measures of held-out images too good."""

from typing import Any

import numpy as np

from alae_core._support.text import count_things
from alae_workbench.data.source import DataSet


def describe_copies(data: DataSet) -> list[str]:
    """Return a line about held-out images that equal a training image in all pixels, if there are any.

    Images are not read: sources in memory and decoded pictures have hashes of them. Prepared sets have none, so their
    copies are not found.
    """
    train, held_out = get_hashes(data.train), get_hashes(data.held_out)
    if train is None or held_out is None:
        return []
    copies = int(np.isin(held_out, train).sum())
    if not copies:
        return []
    are = "are copies" if copies > 1 else "is a copy"
    return [
        f"{copies:,} of {count_things(len(held_out), 'held-out image')} {are} of training images, so measures of "
        f"held-out images are too good: remove the copies"
    ]


def get_hashes(source: Any) -> np.ndarray | None:
    """Return a hash of the pixels of each image, int64 (count,), if the source has them."""
    return getattr(source, "hashes", None)


def hash_image(image: np.ndarray) -> int:
    """Return a hash of the pixels of an image, of 64 bits; hashes of different processes cannot be compared."""
    return hash(image.tobytes())
