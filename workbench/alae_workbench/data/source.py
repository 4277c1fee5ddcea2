"""What a source of images is, sources in memory, and what is made of other sources: parts, frames, two halves."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Literal, Protocol

import numpy as np

from alae_core.config import Config
from alae_core.errors import AlaeError, ArgumentError
from alae_core.images import pooled, to_float
from alae_core.streams import stream

#: what becomes of an image file of another shape than the model's: cropped about its centre, or framed in black
Fit = Literal["crop", "pad"]

# Bytes of images read at once to be pooled: they stay in the processor's cache, and NumPy's calls few.
_GROUP = 2**20


class DataError(AlaeError):
    """A data set is missing, unreadable, or does not fit the configuration."""


class Source(Protocol):
    """Images by their index, at their own size or a smaller one; what loader, trainer, measures and grids know."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""

    @property
    def labels(self) -> np.ndarray | None:
        """Class numbers (count,) or several attributes an image (count, k); None where there are none."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that are others where any pixel, any label, or their order is another."""

    def __len__(self) -> int:
        """How many images there are."""

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """The images at `indices`, an array that is the caller's to change.

        Returns:
            uint8 (len(indices), H, W, C) where `size` is None or their own; at a smaller size float32
            (len(indices), size, size, C) in [−1, 1], means of square blocks that were never rounded to grey levels.

        Raises:
            DataError: the images are not square, or `size` is not theirs divided by a power of two.
        """


class Legible:
    """A source that says at a prompt what it holds."""

    def __repr__(self: Source) -> str:
        text = f"{len(self):,} image{'s' if len(self) != 1 else ''} of {by(self.shape)}"
        if self.labels is not None and self.labels.ndim == 2:
            text += f", {self.labels.shape[1]} attributes each"
        elif self.labels is not None:
            text += f", {len(np.unique(self.labels))} classes"
        return f"<{text}>"


@dataclass(frozen=True, eq=False, repr=False)
class Arrays(Legible):
    """Images in memory.

    Args:
        pixels: uint8 (count, H, W, C), or (count, H, W) where they are grey.
        labels: class numbers (count,), or attributes (count, k), where there are any.
        names: what the images are called, where they were files.
        label_names: what classes 0, 1, … or the attributes are called, where they have names.

    Raises:
        DataError: the arrays have another type or shape, or are not equally many.
    """

    pixels: np.ndarray
    labels: np.ndarray | None = None
    names: Sequence[str] | None = None
    label_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim not in (3, 4):
            raise DataError(
                f"images must be uint8 of shape (count, height, width) or (count, height, width, channels), "
                f"but are {self.pixels.dtype} of shape {self.pixels.shape}{_advice(self.pixels)}"
            )
        if self.pixels.ndim == 3:
            object.__setattr__(self, "pixels", self.pixels[..., None])
        height, width, channels = self.shape
        if height in (1, 3) and min(width, channels) > 4:
            raise DataError(
                f"images of shape {self.pixels.shape} look channels first: pass images.transpose(0, 2, 3, 1)"
            )
        if self.labels is not None:
            object.__setattr__(self, "labels", as_labels(np.asarray(self.labels)))
            if len(self.labels) != len(self.pixels):
                raise DataError(f"there are {len(self.pixels)} images, but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        _, height, width, channels = self.pixels.shape
        return height, width, channels

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of shape, pixels and labels, taken when first asked for."""
        digest = hashlib.sha256(repr(self.pixels.shape).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """The images at `indices`: see `Source.images`."""
        return at_size(lambda some: self.pixels[some], self.shape, indices, size)


class Part(Legible):
    """Some images of another source, in the order of `indices` (integers, or a slice); reads none before asked."""

    def __init__(self, source: Source, indices: np.ndarray | slice) -> None:
        self.source, self.indices = source, np.arange(len(source))[indices]
        # A part of a part is a part of the whole, and has the fingerprint of one.
        if isinstance(source, Part):
            self.source, self.indices = source.source, source.indices[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return self.source.shape

    @cached_property
    def labels(self) -> np.ndarray | None:
        """The labels of these images."""
        return None if self.source.labels is None else self.source.labels[self.indices]

    @property
    def names(self) -> Sequence[str] | None:
        """What these images are called, where they were files."""
        names = names_of(self.source)
        return None if names is None else [names[index] for index in self.indices]

    @property
    def label_names(self) -> tuple[str, ...]:
        """What classes 0, 1, … or the attributes are called, where they have names."""
        return label_names_of(self.source)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the source's fingerprint and of the indices."""
        return _combined("part", self.source.fingerprint, hashlib.sha256(self.indices.astype("<i8").data).hexdigest())

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """The images at `indices` of this part: see `Source.images`."""
        return self.source.images(self.indices[indices], size)


@dataclass(frozen=True, eq=False, repr=False)
class _Framed(Legible):
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
        return names_of(self.source)

    @property
    def label_names(self) -> tuple[str, ...]:
        return label_names_of(self.source)

    @property
    def fingerprint(self) -> str:
        return _combined("framed", self.source.fingerprint, str(self.margin))

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        return at_size(self._read, self.shape, indices, size)

    def _read(self, indices: np.ndarray) -> np.ndarray:
        height, width, _ = self.source.shape
        framed = np.zeros((len(indices), *self.shape), np.uint8)
        framed[:, self.margin : self.margin + height, self.margin : self.margin + width] = self.source.images(indices)
        return framed


@dataclass(frozen=True)
class DataSet:
    """Images to train on and images kept out of training.

    Attributes:
        train, held_out: the images.
        skipped: how many unreadable ones were left out.
        taken: how numbers that are no bytes were taken, or axes in another order; "" where nothing was to be decided.
    """

    train: Source
    held_out: Source
    skipped: int = 0
    taken: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of both sources' fingerprints: what a run that goes on must find again."""
        return _combined("data set", self.train.fingerprint, self.held_out.fingerprint)


def at_size(
    read: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int, int], indices: np.ndarray, size: int | None
) -> np.ndarray:
    """`Source.images` for a source that has its images at one size.

    Args:
        read: the images at some indices, as new uint8 (count, H, W, C). For a smaller size it is asked for a few at a
            time, so that those of a whole batch never lie in memory.
        shape: H, W and C.
        indices, size: what `Source.images` was asked for.
    """
    indices = np.asarray(indices)
    if size is None or shape[:2] == (size, size):
        return read(indices)
    try:
        # Sizes are refused before anything is read, or memory taken.
        level = pooled(np.empty((0, *shape), np.uint8), size).shape[1:]
    except ArgumentError as error:
        raise DataError(str(error)) from error
    found = np.empty((len(indices), *level), np.float32)
    count = max(1, _GROUP // prod(shape))
    for start in range(0, len(indices), count):
        group = slice(start, start + count)
        found[group] = to_float(pooled(read(indices[group]), size))
    return found


def as_pixels(*parts: np.ndarray) -> tuple[list[np.ndarray], str]:
    """Numbers of a range that can be told as bytes, channels last.

    Args:
        parts: parts of one data set, each (count, H, W), (count, H, W, C) or (count, C, H, W): whole numbers in
            0 … 255, or floats in [0, 1], [−1, 1] or 0 … 255. All together decide which.

    Returns:
        Each part as uint8 (count, H, W) or (count, H, W, C), and in a few words how it was taken; "" if as it was.

    Raises DataError where nobody can tell which numbers are black and white.
    """
    taken = []
    if any(part.dtype != np.uint8 for part in parts):
        bottom, top, words = _range(parts)
        parts = tuple(np.rint((part - bottom) * (255 / (top - bottom))).astype(np.uint8) for part in parts)
        taken.append(f"as numbers in {words}")
    if all(part.ndim == 4 and part.shape[1] in (1, 3) and min(part.shape[2:]) > 4 for part in parts):
        parts = tuple(part.transpose(0, 2, 3, 1) for part in parts)
        taken.append("as channels first")
    return list(parts), " and ".join(taken)


def _range(parts: Sequence[np.ndarray]) -> tuple[float, float, str]:
    """The numbers for black and white, and both in words."""
    kinds = {part.dtype.kind for part in parts}
    numbers = [part for part in parts if part.size]
    if not kinds <= set("iuf") or not numbers:
        raise DataError(f"images are {parts[0].dtype} of shape {parts[0].shape}: they should be bytes (uint8)")
    lowest, highest = min(float(part.min()) for part in numbers), max(float(part.max()) for part in numbers)
    floats = [(0.0, 1.0, "[0, 1]"), (-1.0, 1.0, "[−1, 1]")] if kinds == {"f"} else []
    for bottom, top, words in (*floats, (0.0, 255.0, "0 … 255")):
        if bottom <= lowest <= highest <= top:
            return bottom, top, words
    raise DataError(
        f"images are {parts[0].dtype}, from {lowest:g} to {highest:g}: they should be bytes, or numbers in [0, 1], "
        f"[−1, 1] or 0 … 255"
    )


def framed(source: Source, margin: int) -> Source:
    """The images with `margin` black pixels on each side."""
    return _Framed(source, margin) if margin else source


def first(source: Source, count: int) -> Source:
    """The first `count` images, or all where there are fewer."""
    return Part(source, slice(count))


def all_images(source: Source, size: int | None = None) -> np.ndarray:
    """Every image, in order: `Source.images` of all indices."""
    return source.images(np.arange(len(source)), size)


def names_of(source: Source) -> Sequence[str] | None:
    """What the images of a source are called, where it says so: sources of one's own need no `names`."""
    return getattr(source, "names", None)


def label_names_of(source: Source) -> tuple[str, ...]:
    """What classes 0, 1, … or attributes of a source are called, where it says so."""
    return getattr(source, "label_names", ())


def labels_for(source: Source, indices: np.ndarray | slice, config: Config) -> np.ndarray | None:
    """The labels at `indices`, if a model of `config` takes any."""
    return source.labels[indices] if config.labels and source.labels is not None else None


def split(source: Source, held_out: float) -> tuple[Part, Part]:
    """(train, held-out): random images are kept out, the same ones whatever a run's seed.

    `held_out` is their number, or below 1 their share of all: one at least. Raises DataError where nothing would be
    left to train on.
    """
    count = int(held_out) if held_out >= 1 else max(1, round(held_out * len(source)))
    if count >= len(source):
        raise DataError(
            f"training.held_out is {held_out}, but there are only {len(source)} images in all: set it lower, or to a "
            f"share such as 0.1"
        )
    order = stream(0, "held-out images").permutation(len(source))
    # Kept in their own order, so that grids and encodings line up with the source.
    return Part(source, np.sort(order[count:])), Part(source, np.sort(order[:count]))


def by(shape: tuple[int, ...]) -> str:
    """A shape as text, such as 28×28×1."""
    return "×".join(map(str, shape))


def _advice(images: np.ndarray) -> str:
    """What makes bytes of images that are none, where anything does."""
    if images.dtype == np.uint8 and images.ndim == 2:
        return ": pass images[None] if that is one image"
    try:
        _, taken = as_pixels(images)
    except DataError:
        return ""
    return f": to take them {taken}, pass as_pixels(images)[0][0] of {as_pixels.__module__}"


def as_labels(labels: np.ndarray) -> np.ndarray:
    """Class numbers (count,) as int64; attributes (count, k) as int64, or float64 where some are no whole numbers."""
    if labels.dtype.kind not in "buif" or labels.ndim not in (1, 2):
        raise DataError(
            f"labels must be class numbers of shape (count,) or attributes of shape (count, k), "
            f"but are {labels.dtype} of shape {labels.shape}"
        )
    # Class numbers as CIFAR has them, in a column.
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    whole = np.isfinite(labels) & (np.abs(labels) <= 2**53) & (labels == np.rint(labels))
    if whole.all():
        return labels.astype(np.int64)
    if labels.ndim == 1:
        raise DataError(f"labels must be class numbers, whole ones, but one is {labels[~whole][0]:g}")
    return labels.astype(np.float64)


def _combined(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
