"""Collections of picture files, as a folder, an archive or a database holds them, and how they are decoded."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar, overload

import numpy as np

from alae_workbench.data.copies import hash_image
from alae_workbench.data.listing import Skipped
from alae_workbench.data.memory import Arrays
from alae_workbench.data.picture_file import Member, Reading, read_image
from alae_workbench.data.source import (
    DataError,
    Source,
    SourceRepr,
    format_shape,
    get_label_names,
    get_label_text,
    get_names,
    read_at_size,
)

# Up to this many bytes of decoded images are kept in memory; larger collections are decoded on each request.
_KEPT_BYTES = 2**30
# Files submitted to the decoding threads at once. Pillow releases Python's lock while it decodes.
_TOGETHER = 64


_Item = TypeVar("_Item")


class LazySequence(Sequence[_Item], Generic[_Item]):
    """A sequence of `count` items, each made by `make(index)` on every access."""

    def __init__(self, count: int, make: Callable[[int], _Item]) -> None:
        self._indices, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> _Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[_Item]: ...

    def __getitem__(self, index: int | slice) -> _Item | list[_Item]:
        if isinstance(index, slice):
            return [self._make(i) for i in self._indices[index]]
        return self._make(self._indices[index])


@dataclass(frozen=True)
class Collection:
    """Pictures in files, not decoded.

    Attributes:
        files: the pictures, always in the same order.
        names: a name for each picture; empty if they have none.
        labels: class numbers (count,), attributes (count, k), or None.
        label_names: the names of classes 0, 1, … or of the attributes; () if unknown.
        stored: the files on disk that the collection is read from; it changes only if one of them does.
        label_text: where the labels come from, or why there are none: see `labels.Labels`.
        skipped: files that are not read, by reason and ending.
        test: the source's own held-out split, if it has one.
    """

    files: Sequence[Path | Member]
    names: Sequence[str]
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    stored: Sequence[Path]
    label_text: str = ""
    skipped: Skipped = field(default_factory=Counter)
    test: "Collection | None" = None

    def __len__(self) -> int:
        return len(self.files)

    def select(self, indices: Sequence[int]) -> "Collection":
        """Return the pictures at `indices`."""
        return Collection(
            [self.files[index] for index in indices],
            [self.names[index] for index in indices] if len(self.names) else [],
            None if self.labels is None else self.labels[indices],
            self.label_names,
            self.stored,
            self.label_text,
            self.skipped,
            self.test,
        )


def as_collection(source: Source, name: str) -> Collection:
    """Return the images of a source as a collection of members of `name`, without files on disk.

    Raises DataError if the images have neither 1 nor 3 channels.
    """
    if source.shape[-1] not in (1, 3):
        raise DataError(f"pictures have 1 or 3 channels, but the images of {name} are {format_shape(source.shape)}")
    return Collection(
        _SourceMembers(source, name),
        get_names(source) or [],
        source.labels,
        get_label_names(source),
        [],
        get_label_text(source),
    )


class _SourceMembers(Sequence[Member]):
    """The images of a source as members; a slice is read in one request."""

    def __init__(self, source: Source, name: str) -> None:
        self._source, self._name = source, Path(name)

    def __len__(self) -> int:
        return len(self._source)

    @overload
    def __getitem__(self, index: int) -> Member: ...

    @overload
    def __getitem__(self, index: slice) -> list[Member]: ...

    def __getitem__(self, index: int | slice) -> Member | list[Member]:
        places = np.atleast_1d(np.arange(len(self))[index])
        images = self._source.images(places)
        if images.shape[-1] == 1:
            images = images[..., 0]
        members = [
            Member(self._name, PurePosixPath(str(place)), partial(_identity, image))
            for place, image in zip(places, images, strict=True)
        ]
        return members if isinstance(index, slice) else members[0]


def _identity(pixels: np.ndarray) -> np.ndarray:
    return pixels


class DecodedOnRequest(SourceRepr):
    """A source that decodes its picture files on each request.

    Args:
        pictures: the collection.
        shape: H, W and C of the images.
        reading: how pictures become pixels.
        fingerprint: see `Source`.
        hashes: a hash of each image: see `copies.get_hashes`.
    """

    def __init__(
        self,
        pictures: Collection,
        shape: tuple[int, int, int],
        reading: Reading,
        fingerprint: str,
        hashes: np.ndarray,
    ) -> None:
        self.shape, self.reading, self.fingerprint, self.hashes = shape, reading, fingerprint, hashes
        self.files, self.labels, self.names = pictures.files, pictures.labels, pictures.names
        self.label_names, self.label_text = pictures.label_names, pictures.label_text

    def __len__(self) -> int:
        return len(self.files)

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """Read the images at `indices`: see `Source.images`. Raises DataError if a file can no longer be read."""
        return read_at_size(self._read, self.shape, indices, size)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count())

    def _read(self, indices: np.ndarray) -> np.ndarray:
        images = self._pool.map(lambda index: read_image(self.files[index], self.shape, self.reading), indices)
        return np.stack(list(images)) if len(indices) else np.empty((0, *self.shape), np.uint8)


def decode(
    pictures: Collection,
    shape: tuple[int, int, int],
    reading: Reading = Reading(),  # noqa: B008
    kept_bytes: int | None = None,
) -> tuple["Arrays | DecodedOnRequest | None", list[str]]:
    """Decode a collection; every picture is decoded once, so that unreadable ones are found before a run begins.

    Returns:
        The readable images, in memory if they take at most `kept_bytes`, by default 1 GiB, or None if no picture can be
        read; and a message for each unreadable picture.
    """
    keep = len(pictures) * int(np.prod(shape)) <= (_KEPT_BYTES if kept_bytes is None else kept_bytes)
    # Filled in place, because a list of images and then an array of them would take twice the memory.
    pixels = np.empty((len(pictures) if keep else 0, *shape), np.uint8)
    readable: list[int] = []
    faults, hashes, digest = [], [], hashlib.sha256()
    for index, image in enumerate(_decode_files(pictures.files, lambda file: read_image(file, shape, reading))):
        if isinstance(image, DataError):
            faults.append(str(image))
            continue
        if keep:
            pixels[len(readable)] = image
        else:
            digest.update(image.data)
            hashes.append(hash_image(image))
        readable.append(index)
    if not readable:
        return None, faults
    if faults:
        pictures = pictures.select(readable)
    labels = pictures.labels
    if keep:
        images = pixels[: len(readable)]
        return Arrays(images, labels, pictures.names, pictures.label_names, pictures.label_text), faults
    digest.update(repr((len(readable), *shape, None if labels is None else labels.tolist())).encode())
    return DecodedOnRequest(pictures, shape, reading, digest.hexdigest(), np.array(hashes, np.int64)), faults


def _decode_files(
    files: Sequence[Path | Member], read: Callable[[Path | Member], np.ndarray]
) -> Iterator[np.ndarray | DataError]:
    def attempt(file: Path | Member) -> np.ndarray | DataError:
        try:
            return read(file)
        except DataError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), _TOGETHER):
            yield from pool.map(attempt, files[start : start + _TOGETHER])
