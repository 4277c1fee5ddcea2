"""Small random images of the tiny model's shape, with class labels, for tests of measures."""

import numpy as np

from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (40, 4, 3, 2), np.uint8)
CLASSES = np.arange(40) % 3


def make_data(labels=CLASSES, count=40):
    """Return a data set of `count` training images and 17 held-out ones, which repeat training images."""
    train = Arrays(PIXELS[:count], None if labels is None else labels[:count])
    held_out = Arrays(PIXELS[::-1][:17].copy(), None if labels is None else labels[::-1][:17].copy())
    return DataSet(train, held_out)
