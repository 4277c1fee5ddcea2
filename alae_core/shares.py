"""Parts of a batch, for devices that train together (docs/scaling.md)."""

from typing import NamedTuple

import numpy as np

from alae_core.config import Config
from alae_core.errors import ArgumentError
from alae_core.networks.style_layout import COMPARED, count_compared
from alae_core.sizes import list_batch_sizes


class Share(NamedTuple):
    """One process's part of every batch.

    Attributes:
        part, parts: the number of the part, from 0, and how many equal parts there are.
        is_separate: whether the process computes with its part alone, and only means are exchanged. Otherwise the parts
            form one array, of which the framework holds a part in each process.
    """

    part: int = 0
    parts: int = 1
    is_separate: bool = False


#: the whole batch
WHOLE = Share()


def select_rows(config: Config, count: int, share: Share) -> np.ndarray:
    """Return the rows of a batch of `count` images that belong to `share`: (count / parts,).

    Parts are contiguous, except separate ones for a D on images. It compares the images of a group, which are
    count / COMPARED apart, so these parts consist of whole groups, in the order in which they stay groups.
    """
    groups = count_compared(config) if share.is_separate else 1
    return np.arange(count).reshape(groups, share.parts, -1)[:, share.part].ravel()


def require_division(config: Config, parts: int, argument: str = "devices") -> None:
    """Raise ArgumentError, naming `argument`, if a batch of any level does not divide into equal parts."""
    if parts == 1:
        return
    unit = parts * count_compared(config)
    for size in list_batch_sizes(config):
        if size % unit:
            fitting = [each for each in (size - size % unit, size - size % unit + unit) if each]
            groups = "" if unit == parts else f" of whole groups of {COMPARED} images, which D compares"
            raise ArgumentError(
                argument,
                f"is {parts}, but a batch of {size} does not divide into {parts} equal parts{groups}: set the batch "
                f"size to {' or '.join(map(str, fitting))}",
            )
