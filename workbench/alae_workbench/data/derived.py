"""Sources derived from another source: a subset, a split into training and held-out images, a margin."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alae_core.streams import stream
from alae_workbench.data.copies import get_hashes
from alae_workbench.data.source import (
    DataError,
    Source,
    SourceRepr,
    combine_digests,
    get_label_names,
    get_label_text,
    get_names,
    read_at_size,
)


class Subset(SourceRepr):
    """Images of another source in the order of `indices` (integers, or a slice), read on request.

    A subset of a subset refers to the original source, and has the fingerprint of a direct subset.
    """

    def __init__(self, source: Source, indices: np.ndarray | slice) -> None:
        self.source, self.indices = source, np.arange(len(source))[indices]
        if isinstance(source, Subset):
            self.source, self.indices = source.source, source.indices[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return self.source.shape

    @cached_property
    def labels(self) -> np.ndarray | None:
        """The labels of these images, or None."""
        return None if self.source.labels is None else self.source.labels[self.indices]

    @property
    def names(self) -> Sequence[str] | None:
        """The names of these images, or None."""
        names = get_names(self.source)
        return None if names is None else [names[index] for index in self.indices]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of classes 0, 1, … or of the attributes; () if unknown."""
        return get_label_names(self.source)

    @property
    def label_text(self) -> str:
        """Where the labels come from: see `labels.Labels`."""
        return get_label_text(self.source)

    @property
    def hashes(self) -> np.ndarray | None:
        """A hash of each image: see `copies.get_hashes`."""
        hashes = get_hashes(self.source)
        return None if hashes is None else hashes[self.indices]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the source's fingerprint and the indices."""
        digest = hashlib.sha256(self.indices.astype("<i8").data).hexdigest()
        return combine_digests("part", self.source.fingerprint, digest)

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """Read the images at `indices` of this subset: see `Source.images`."""
        return self.source.images(self.indices[indices], size)


@dataclass(frozen=True, eq=False, repr=False)
class _WithMargin(SourceRepr):
    source: Source
    margin: int

    def __len__(self) -> int:
        return len(self.source)

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self.source.shape
        return height + 2 * self.margin, width + 2 * self.margin, channels

    @property
    def labels(self) -> np.ndarray | None:
        return self.source.labels

    @property
    def names(self) -> Sequence[str] | None:
        return get_names(self.source)

    @property
    def label_names(self) -> tuple[str, ...]:
        return get_label_names(self.source)

    @property
    def label_text(self) -> str:
        return get_label_text(self.source)

    @property
    def hashes(self) -> np.ndarray | None:
        return get_hashes(self.source)

    @property
    def fingerprint(self) -> str:
        return combine_digests("framed", self.source.fingerprint, str(self.margin))

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        return read_at_size(self._read, self.shape, indices, size)

    def _read(self, indices: np.ndarray) -> np.ndarray:
        height, width, _ = self.source.shape
        images = np.zeros((len(indices), *self.shape), np.uint8)
        images[:, self.margin : self.margin + height, self.margin : self.margin + width] = self.source.images(indices)
        return images


def add_margin(source: Source, margin: int) -> Source:
    """Surround each image with `margin` black pixels on every side."""
    return _WithMargin(source, margin) if margin else source


def take_first(source: Source, count: int) -> Subset:
    """Return the first `count` images, or all if there are fewer."""
    return Subset(source, slice(count))


def split(source: Source, held_out: float) -> tuple[Subset, Subset]:
    """Split a source at random into training and held-out images, independently of a run's seed.

    Args:
        source: the images.
        held_out: the number of held-out images, or if below 1 the fraction of all images, at least one image.

    Raises:
        DataError: no image would be left to train on.
    """
    count = _count_held_out(held_out, len(source))
    if count >= len(source):
        raise DataError(
            f"training.held_out is {held_out}, but there are only {len(source)} images; set it lower, or to a fraction "
            f"such as 0.1"
        )
    return _split_at(source, count)


def split_other(source: Source, held_out: float) -> tuple[Subset, Subset]:
    """Split images that no model was trained on as `split` does, but hold out at most half of them.

    Raises DataError if there are fewer than two images.
    """
    if len(source) < 2:
        raise DataError("there is only one image, but measures need at least two: one to hold out, and one to compare")
    return _split_at(source, min(_count_held_out(held_out, len(source)), len(source) // 2))


def _count_held_out(held_out: float, count: int) -> int:
    return int(held_out) if held_out >= 1 else max(1, round(held_out * count))


def _split_at(source: Source, count: int) -> tuple[Subset, Subset]:
    order = stream(0, "held-out images").permutation(len(source))
    # Both keep the order of the source, so that figures and encodings line up with it.
    return Subset(source, np.sort(order[count:])), Subset(source, np.sort(order[:count]))
