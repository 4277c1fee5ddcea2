"""A prepared set on disk: its manifest, its files and their sizes."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt, Strict

from alae_core._support.files import open_regular
from alae_core._support.manifest import read_manifest
from alae_core._support.validation import Frozen
from alae_workbench.data.source import DataError, Fit

#: the file that is written last: a set with a manifest is complete
MANIFEST = "manifest.json"
#: the folder in an incomplete set that holds the plan, and a note for each finished shard
PREPARING = "preparing"
#: the parts of a set
PARTS = ("images", "test")

# A manifest of two parts of 64 shards at 9 sizes has about 200 kB.
_MOST_BYTES = 2**24
# Maximum shards of a part, and minimum bytes of a shard if there are fewer shards.
_MOST_SHARDS, _SHARD_BYTES = 64, 2**25
# Overhead of ArrayRecord: bytes for each record, a fraction for the headers of 64 KiB blocks, and bytes for each file.
_RECORD_BYTES, _BLOCK_SHARE, _FILE_BYTES = 64, 2**-11, 2**18

# JSON has lists instead of tuples.
LISTED = Strict(False)
ImageShape = Annotated[tuple[PositiveInt, PositiveInt, PositiveInt], LISTED]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StoredFile(Frozen):
    """A file's length in bytes and its SHA-256."""

    size: NonNegativeInt
    sha256: Sha256


class Shard(Frozen):
    """Consecutive images: their number, and a file for each height in `Manifest.levels`."""

    count: NonNegativeInt
    files: Annotated[tuple[StoredFile, ...], LISTED]


class Part(Frozen):
    """Images in order.

    Attributes:
        count: number of images.
        left_out: number of unreadable images that are missing.
        shards: the shards, in order.
        labels: the file labels.npy, int64 (count,), or int64 or float64 (count, k); or None.
        names: the file names.txt, a line of UTF-8 for each image; or None.
    """

    count: NonNegativeInt
    left_out: NonNegativeInt
    shards: Annotated[tuple[Shard, ...], LISTED]
    labels: StoredFile | None
    names: StoredFile | None


class Manifest(Frozen):
    """The description of a prepared set.

    Attributes:
        format: version of this manifest.
        alae: version of alae that wrote it.
        source: the data source that the set was prepared from.
        image: height, width and channels.
        levels: heights at which images are stored: their own first, each further height half of the previous one.
        fit: how picture files of another shape were fitted; all were resized with a Lanczos filter.
        crop_box: the part of each picture that was used, as in `training.crop_box`; "" for all of it.
        value_range, interpretation: see `DataSet`; "" in sets of early versions.
        label_names: names of classes 0, 1, … or of the attributes; () if unknown.
        label_text: where the labels come from, or why there are none; "" in sets of early versions.
        images: all images, or the training images if there is a test part.
        test: the source's own test split, or None.
    """

    format: Literal[1]
    alae: str
    source: str
    image: ImageShape
    levels: Annotated[tuple[PositiveInt, ...], LISTED]
    fit: Fit
    crop_box: str = ""
    value_range: str = ""
    interpretation: str = ""
    label_names: Annotated[tuple[str, ...], LISTED]
    label_text: str = ""
    images: Part
    test: Part | None

    @property
    def parts(self) -> Mapping[str, Part]:
        """The parts of this set, by name."""
        parts = dict(zip(PARTS, (self.images, self.test), strict=True))
        return {name: part for name, part in parts.items() if part is not None}

    def files(self, part: str, level: int) -> list[str]:
        """Return the paths of a part's shards within the set, at the height `levels[level]`."""
        shards, height = len(self.parts[part].shards), self.levels[level]
        return [shard_path(part, self.image, height, index, shards) for index in range(shards)]


def read_set_manifest(path: Path) -> Manifest:
    """Read the manifest of the prepared set at `path`.

    Raises DataError if it cannot be read, is damaged, has another format, or contradicts itself.
    """
    manifest = read_manifest(path / MANIFEST, {1: Manifest}, most=_MOST_BYTES, error=DataError)
    blocks = [manifest.image[0] // height for height in manifest.levels]
    consistent = blocks == [2**level for level in range(len(blocks))] and prod(manifest.image) <= 2**32
    for part in manifest.parts.values():
        consistent &= part.count == sum(shard.count for shard in part.shards)
        consistent &= all(len(shard.files) == len(manifest.levels) for shard in part.shards)
    if not consistent:
        raise DataError(f"{path / MANIFEST} is damaged: its levels, shards and counts contradict each other")
    return manifest


def choose_heights(shape: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the heights at which images of a shape are stored, their own first.

    Squares of 8, 16, 32, … pixels are stored down to 4×4 for networks that grow; other shapes only at their own size.
    """
    height, width, _ = shape
    if height != width or height < 8 or height.bit_count() != 1:
        return (height,)
    return tuple(height >> level for level in range(height.bit_length() - 2))


def record_shape(image: tuple[int, int, int], height: int) -> tuple[int, int, int]:
    """Return the shape (H, W, C) of a record at the given height."""
    block = image[0] // height
    return height, image[1] // block, image[2]


def record_dtype(image: tuple[int, int, int], height: int) -> np.dtype:
    """Return the dtype of records at the given height: bytes, or the narrowest integers that hold sums of blocks.

    Sums are stored instead of means to avoid rounding: divided by the number of pixels they equal `images.pooled` of
    the whole image.
    """
    block = image[0] // height
    return np.min_scalar_type(255 * block * block).newbyteorder("<")


def divide_into_shards(count: int, shape: tuple[int, int, int]) -> list[range]:
    """Return the images of each shard; this depends only on the number of images and their shape."""
    size = max(-(-_SHARD_BYTES // prod(shape)), -(-count // _MOST_SHARDS))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def shard_path(part: str, image: tuple[int, int, int], height: int, index: int, shards: int) -> str:
    """Return a shard's path within its set, such as images/64x64/00003-of-00012.array_record."""
    height, width, _ = record_shape(image, height)
    return f"{part}/{height}x{width}/{index:05d}-of-{shards:05d}.array_record"


def most_bytes(count: int, image: tuple[int, int, int], heights: Sequence[int]) -> int:
    """Return the maximum bytes on disk of `count` images, without names and labels."""
    total = 0.0
    for shard in divide_into_shards(count, image):
        for height in heights:
            record = prod(record_shape(image, height)) * record_dtype(image, height).itemsize + _RECORD_BYTES
            total += len(shard) * record * (1 + _BLOCK_SHARE) + _FILE_BYTES
    return int(total)


def hash_file(path: Path) -> StoredFile:
    """Read a regular file and return its length and SHA-256. Raises OSError as `open_regular` does."""
    digest = sha256()
    with open_regular(path) as file:
        while block := file.read(2**20):
            digest.update(block)
        return StoredFile(size=file.tell(), sha256=digest.hexdigest())
