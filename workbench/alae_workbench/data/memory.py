"""Images in memory as a source."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import getattr_static

import numpy as np

from alae_workbench.data.copies import hash_image
from alae_workbench.data.labels import as_labels
from alae_workbench.data.ranges import ValueRange, as_pixels, convert_arrays
from alae_workbench.data.source import DataError, Source, SourceRepr, read_at_size


@dataclass(frozen=True, eq=False, repr=False)
class Arrays(SourceRepr):
    """Images in memory.

    Args:
        pixels: uint8 (count, H, W, C), or (count, H, W) for grey images.
        labels: class numbers (count,), attributes (count, k), or None.
        names: the images' names, if they were files.
        label_names: the names of classes 0, 1, … or of the attributes, if known.
        label_text: where the labels come from, or why there are none, if that is recorded.

    Raises:
        DataError: an array has the wrong type or shape, or the numbers of images and labels differ.
    """

    pixels: np.ndarray
    labels: np.ndarray | None = None
    names: Sequence[str] | None = None
    label_names: tuple[str, ...] = ()
    label_text: str = ""

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim not in (3, 4):
            raise DataError(
                f"images must be uint8 of shape (count, height, width) or (count, height, width, channels), "
                f"but are {self.pixels.dtype} of shape {self.pixels.shape}{_conversion_advice(self.pixels)}"
            )
        if self.pixels.ndim == 3:
            object.__setattr__(self, "pixels", self.pixels[..., None])
        height, width, channels = self.shape
        if height in (1, 3) and min(width, channels) > 4:
            raise DataError(
                f"images of shape {self.pixels.shape} seem to have channels first: pass images.transpose(0, 2, 3, 1)"
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
        """SHA-256 of shape, pixels and labels, computed on first use."""
        digest = hashlib.sha256(repr(self.pixels.shape).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()

    @cached_property
    def hashes(self) -> np.ndarray:
        """A hash of each image: see `copies.get_hashes`."""
        return np.fromiter(map(hash_image, self.pixels), np.int64, len(self.pixels))

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """Read the images at `indices`: see `Source.images`."""
        return read_at_size(lambda some: self.pixels[some], self.shape, indices, size)


def as_source(data: Source | np.ndarray, hint: ValueRange | None = None) -> Source:
    """Return a source as it is, and an array as `Arrays`; `hint` is that of `ranges.convert_arrays`.

    Raises:
        DataError: `data` is neither, or its values are in no known range.
    """
    source = Arrays(convert_arrays(data, hint=hint).parts[0]) if isinstance(data, np.ndarray) else data
    if not is_source(source):
        raise DataError(describe_wrong_type(data))
    return source


def is_source(data: object) -> bool:
    """Whether an object has the attributes of a `Source`."""
    # isinstance with a protocol uses hasattr, which would compute the fingerprint.
    return all(getattr_static(data, name, None) is not None for name in ("shape", "fingerprint", "images", "__len__"))


def describe_wrong_type(data: object) -> str:
    """Return a message about data that holds no images."""
    return (
        f"data is of type {type(data).__name__}; it must be a uint8 array (count, height, width) or "
        f"(count, height, width, channels), a sequence of images or of pairs of an image and a label, a source of "
        f"images, or a DataSet"
    )


def _conversion_advice(images: np.ndarray) -> str:
    """Return how to convert an array to bytes, as the end of a message; "" if it cannot be converted."""
    if images.dtype == np.uint8 and images.ndim == 2:
        return ": for a single image pass images[None]"
    try:
        _, interpretation = as_pixels(images)
    except DataError:
        return ""
    return f": to read them as {interpretation}, pass as_pixels(images)[0][0] of {as_pixels.__module__}"
