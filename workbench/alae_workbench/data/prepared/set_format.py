"""What a prepared set is on the disk: its manifest, its files and their names, and how large they become."""

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

#: the file that is written last: where it is, a prepared set is whole
MANIFEST = "manifest.json"
#: what lies in a set that is being prepared: the plan, and a note for each shard that is done
PREPARING = "preparing"
#: the parts that a set may have
PARTS = ("images", "test")

# A manifest of two parts of 64 shards at 9 levels has some 200 kB.
_MOST_BYTES = 2**24
# Shards that a part has at the most, and the bytes that one has at least while there are fewer.
_MOST_SHARDS, _SHARD_BYTES = 64, 2**25
# What ArrayRecord adds: to each record, to each block of 64 KiB, and to a file.
_RECORD_BYTES, _BLOCK_SHARE, _FILE_BYTES = 64, 2**-11, 2**18

# JSON has lists only.
LISTED = Strict(False)
ImageShape = Annotated[tuple[PositiveInt, PositiveInt, PositiveInt], LISTED]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Stored(Frozen):
    """A file's bytes: how many, and their SHA-256."""

    size: NonNegativeInt
    sha256: Sha256


class Shard(Frozen):
    """Images one after another: how many, and their file at each level, as `Manifest.levels` has them."""

    count: NonNegativeInt
    files: Annotated[tuple[Stored, ...], LISTED]


class Part(Frozen):
    """Images in their order.

    Attributes:
        count: how many.
        left_out: how many more could not be read.
        shards: where they are.
        labels: labels.npy: int64 (count,), or int64 or float64 (count, k).
        names: names.txt: a line of UTF-8 for each image.
    """

    count: NonNegativeInt
    left_out: NonNegativeInt
    shards: Annotated[tuple[Shard, ...], LISTED]
    labels: Stored | None
    names: Stored | None


class Manifest(Frozen):
    """A prepared set.

    Attributes:
        format: of this manifest.
        alae: the version that wrote it.
        source: what it was made of, as a person named it.
        image: height, width and channels.
        levels: heights of the images that are stored: their own, and with each next half of the one before.
        fit: what became of image files of another shape; all were resized by Lanczos' filter.
        label_names: what classes 0, 1, … or the attributes are called, where they have names.
        images: all images, or those to train on where there is a test part.
        test: images that the source itself keeps out of training.
    """

    format: Literal[1]
    alae: str
    source: str
    image: ImageShape
    levels: Annotated[tuple[PositiveInt, ...], LISTED]
    fit: Fit
    label_names: Annotated[tuple[str, ...], LISTED]
    images: Part
    test: Part | None

    @property
    def parts(self) -> Mapping[str, Part]:
        """The parts there are, by name."""
        found = dict(zip(PARTS, (self.images, self.test), strict=True))
        return {name: part for name, part in found.items() if part is not None}

    def files(self, part: str, level: int) -> list[str]:
        """Where the shards of a part lie in the set, at the level of that place in `levels`."""
        shards, height = len(self.parts[part].shards), self.levels[level]
        return [shard_file(part, self.image, height, index, shards) for index in range(shards)]


def read_set(path: Path) -> Manifest:
    """The manifest of a prepared set.

    Raises DataError where it cannot be read, is damaged, of another version, or contradicts itself.
    """
    found = read_manifest(path / MANIFEST, {1: Manifest}, most=_MOST_BYTES, error=DataError)
    blocks = [found.image[0] // height for height in found.levels]
    whole = blocks == [2**level for level in range(len(blocks))] and prod(found.image) <= 2**32
    for part in found.parts.values():
        whole &= part.count == sum(shard.count for shard in part.shards)
        whole &= all(len(shard.files) == len(found.levels) for shard in part.shards)
    if not whole:
        raise DataError(f"{path / MANIFEST} is damaged: levels, shards and counts do not fit each other")
    return found


def levels_of(shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The heights at which images of a shape are stored, their own first.

    Networks that grow see squares of 4·2ⁿ pixels, and want each from 4×4; of other shapes there is nothing to want.
    """
    height, width, _ = shape
    if height != width or height < 8 or height.bit_count() != 1:
        return (height,)
    return tuple(height >> level for level in range(height.bit_length() - 2))


def level_shape(image: tuple[int, int, int], height: int) -> tuple[int, int, int]:
    """The shape of the records of the level of a height."""
    block = image[0] // height
    return height, image[1] // block, image[2]


def level_dtype(image: tuple[int, int, int], height: int) -> np.dtype:
    """The numbers in the records of a level: bytes, or sums of blocks in the narrowest integers that hold them.

    Sums, not means: nothing is rounded, and a level reads as what `images.pooled` makes of the whole image.
    """
    block = image[0] // height
    return np.min_scalar_type(255 * block * block).newbyteorder("<")


def shards_of(count: int, shape: tuple[int, int, int]) -> list[range]:
    """The images of each shard: it follows from how many they are and how large, whoever writes them."""
    each = max(-(-_SHARD_BYTES // prod(shape)), -(-count // _MOST_SHARDS))
    return [range(start, min(start + each, count)) for start in range(0, count, each)]


def shard_file(part: str, image: tuple[int, int, int], height: int, index: int, shards: int) -> str:
    """Where a shard lies in its set: images/64x64/00003-of-00012.array_record."""
    height, width, _ = level_shape(image, height)
    return f"{part}/{height}x{width}/{index:05d}-of-{shards:05d}.array_record"


def need(count: int, image: tuple[int, int, int], levels: Sequence[int]) -> int:
    """The bytes that so many images take on the disk at the most, names and labels apart."""
    total = 0.0
    for shard in shards_of(count, image):
        for height in levels:
            record = prod(level_shape(image, height)) * level_dtype(image, height).itemsize + _RECORD_BYTES
            total += len(shard) * record * (1 + _BLOCK_SHARE) + _FILE_BYTES
    return int(total)


def stored(path: Path) -> Stored:
    """What a file holds. Raises OSError as `open_regular` does."""
    digest = sha256()
    with open_regular(path) as file:
        while some := file.read(2**20):
            digest.update(some)
        return Stored(size=file.tell(), sha256=digest.hexdigest())
