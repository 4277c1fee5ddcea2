"""Sources of images: the protocol through which batches, training, measures and figures read images."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal, Protocol

import numpy as np

from alae_core._support.text import count_things
from alae_core.errors import AlaeError, ArgumentError
from alae_core.images import pooled, to_float

#: how a picture file of another shape is fitted to the model's: cropped about its centre, or padded with black
Fit = Literal["crop", "pad"]

#: the class number of an image without a label in a labelled data set; an unlabelled image's attributes are NaN
UNLABELLED = int(np.iinfo(np.int64).min)

# Bytes of images that are read and pooled together: few NumPy calls, and the group fits the processor's cache.
_GROUP_BYTES = 2**20


class DataError(AlaeError):
    """A data set is missing, unreadable, or does not fit the configuration."""


def describe_error(error: BaseException) -> str:
    """Return an exception's reason as text, or its type's name if it has none."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Source(Protocol):
    """Images by index, at their own size or downsampled."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""

    @property
    def labels(self) -> np.ndarray | None:
        """Class numbers (count,), attributes (count, k), or None."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest that changes with any pixel, any label and their order."""

    def __len__(self) -> int:
        """Number of images."""

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """Read the images at `indices` into a new array, which the caller may change.

        Returns:
            uint8 (len(indices), H, W, C) if `size` is None or the images' own; at a smaller size float32
            (len(indices), size, size, C) in [−1, 1], the means of square blocks, not rounded to whole grey levels.

        Raises:
            DataError: the images are not square, or `size` is not their size divided by a power of two.
        """


class SourceRepr:
    """Mixin: a one-line `repr` of a source, such as <2,000 images of 8×8×1, 10 classes>."""

    def __repr__(self: Source) -> str:
        text = f"{count_things(len(self), 'image')} of {format_shape(self.shape)}"
        if self.labels is not None and self.labels.ndim == 2:
            text += f", {self.labels.shape[1]} attributes each"
        elif self.labels is not None:
            text += f", {len(np.unique(self.labels[self.labels != UNLABELLED]))} classes"
        return f"<{text}>"


@dataclass(frozen=True)
class Splits:
    """Images as a data source divides them.

    Attributes:
        images: all images, or the training images if there is a test split.
        test: the source's own test split, if it has one.
        skipped: number of unreadable images that were left out.
        interpretation, skipped_files, value_range: see `DataSet`.
    """

    images: Source
    test: Source | None = None
    skipped: int = 0
    interpretation: str = ""
    skipped_files: str = ""
    value_range: str | None = ""


@dataclass(frozen=True)
class DataSet:
    """Images to train on, and held-out images.

    Attributes:
        train, held_out: the images.
        skipped: number of unreadable images that were left out.
        interpretation: how values that are not bytes, or other axes, were read, such as "numbers in [0, 1]", and
            doubts about that; "" if images were uint8 with channels last.
        skipped_files: files of the source that are not pictures or cannot be used, counted by reason; "" for none.
        value_range: black and white of pictures of more than 8 bits, or of arrays that are not bytes, such as
            "0..4095"; "" if there are none, and None if they are read as early versions did.
    """

    train: Source
    held_out: Source
    skipped: int = 0
    interpretation: str = field(default="", repr=False)
    skipped_files: str = field(default="", repr=False)
    value_range: str | None = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the fingerprints of both sources; a resumed run must find the same."""
        return combine_digests("data set", self.train.fingerprint, self.held_out.fingerprint)

    def describe_reading(self) -> str:
        """Return how the images were read and how many could not be, to follow their number; "" if there is nothing."""
        interpretation = f", read as {self.interpretation}" if self.interpretation else ""
        skipped = f", {self.skipped:,} unreadable files skipped" if self.skipped else ""
        return f"{interpretation}{skipped}"


def read_at_size(
    read: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int, int], indices: np.ndarray, size: int | None
) -> np.ndarray:
    """Implement `Source.images` for a source that stores its images at one size.

    Args:
        read: returns the images at given indices as new uint8 (count, H, W, C). For a smaller size it is called with
            a few indices at a time, so that memory never holds a whole batch at full size.
        shape: H, W and C.
        indices, size: the arguments of `Source.images`.
    """
    indices = np.asarray(indices)
    if size is None or shape[:2] == (size, size):
        return read(indices)
    try:
        # An empty array: the size is checked before anything is read or allocated.
        level = pooled(np.empty((0, *shape), np.uint8), size).shape[1:]
    except ArgumentError as error:
        raise DataError(str(error)) from error
    images = np.empty((len(indices), *level), np.float32)
    count = max(1, _GROUP_BYTES // prod(shape))
    for start in range(0, len(indices), count):
        group = slice(start, start + count)
        images[group] = to_float(pooled(read(indices[group]), size))
    return images


def read_all(source: Source, size: int | None = None) -> np.ndarray:
    """Read every image in order: `Source.images` of all indices."""
    return source.images(np.arange(len(source)), size)


def get_names(source: Source) -> Sequence[str] | None:
    """Return the images' names if the source has any; the attribute `names` is not part of the protocol."""
    return getattr(source, "names", None)


def get_label_names(source: Source) -> tuple[str, ...]:
    """Return the names of classes 0, 1, … or of the attributes; () if the source has none."""
    return getattr(source, "label_names", ())


def get_label_text(source: Source) -> str:
    """Return where the labels come from, or why there are none: see `labels.Labels`. "" if that is not recorded."""
    return getattr(source, "label_text", "")


def format_shape(shape: tuple[int, ...]) -> str:
    """Format a shape as text, such as 28×28×1."""
    return "×".join(map(str, shape))


def combine_digests(*parts: str) -> str:
    """Return the SHA-256 of some texts, in hexadecimal."""
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
