"""Many pictures: what a folder, an archive or a data base holds, decoded at once or when they are asked for."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Generic, TypeVar, overload

import numpy as np

from alae_workbench.data.pictures import Member, read_image
from alae_workbench.data.source import Arrays, DataError, Fit, Legible, Source, at_size, by, label_names_of, names_of

# Decoded images that are kept in memory; beyond, they are decoded whenever they are asked for.
_KEPT_BYTES = 2**30
# Files decoded at once: Pillow lets other threads run meanwhile.
_TOGETHER = 64


_Item = TypeVar("_Item")


class Made(Sequence[_Item], Generic[_Item]):
    """A sequence of `count` items, each made by `make` of its place whenever it is asked for."""

    def __init__(self, count: int, make: Callable[[int], _Item]) -> None:
        self._places, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> _Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[_Item]: ...

    def __getitem__(self, index: int | slice) -> _Item | list[_Item]:
        if isinstance(index, slice):
            return [self._make(place) for place in self._places[index]]
        return self._make(self._places[index])


@dataclass(frozen=True)
class Pictures:
    """Pictures as they lie somewhere, none decoded yet.

    Attributes:
        files: where each is, in an order that is always the same.
        names: what each is called in there.
        labels: class numbers (count,) or attributes (count, k), where there are any.
        label_names: what classes 0, 1, … or the attributes are called, where they have names.
        stored: the files that hold all of it: if none of them changes, nothing does.
    """

    files: Sequence[Path | Member]
    names: Sequence[str]
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    stored: Sequence[Path]

    def __len__(self) -> int:
        return len(self.files)

    def only(self, kept: Sequence[int]) -> "Pictures":
        """Some of them, by their indices."""
        return Pictures(
            [self.files[index] for index in kept],
            [self.names[index] for index in kept],
            None if self.labels is None else self.labels[kept],
            self.label_names,
            self.stored,
        )


def as_pictures(source: Source, name: str) -> Pictures:
    """The images of a source as pictures without files; `name` is what messages call it.

    Raises DataError where they have neither one nor three channels.
    """
    if source.shape[-1] not in (1, 3):
        raise DataError(f"pictures have 1 or 3 channels, but the images of {name} are {by(source.shape)}")
    return Pictures(_Rows(source, name), names_of(source) or [], source.labels, label_names_of(source), [])


class _Rows(Sequence[Member]):
    """The images of a source, each read when it is asked for."""

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
        found = [
            Member(self._name, PurePosixPath(str(place)), partial(_same, image))
            for place, image in zip(places, images, strict=True)
        ]
        return found if isinstance(index, slice) else found[0]


def _same(pixels: np.ndarray) -> np.ndarray:
    return pixels


class Files(Legible):
    """Pictures decoded when they are asked for.

    Args:
        pictures: where they are.
        shape: H, W and C of what each becomes.
        fit: how (`pictures.read_image`).
        fingerprint: see `Source`.
    """

    def __init__(self, pictures: Pictures, shape: tuple[int, int, int], fit: Fit, fingerprint: str) -> None:
        self.shape, self.fit, self.fingerprint = shape, fit, fingerprint
        self.files, self.labels, self.names = pictures.files, pictures.labels, pictures.names
        self.label_names = pictures.label_names

    def __len__(self) -> int:
        return len(self.files)

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """The images at `indices`: see `Source.images`. Raises DataError where a file has gone or changed into none."""
        return at_size(self._read, self.shape, indices, size)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count())

    def _read(self, indices: np.ndarray) -> np.ndarray:
        found = self._pool.map(lambda index: read_image(self.files[index], self.shape, self.fit), indices)
        return np.stack(list(found)) if len(indices) else np.empty((0, *self.shape), np.uint8)


def read_pictures(
    pictures: Pictures, shape: tuple[int, int, int], *, fit: Fit = "crop"
) -> tuple[Source | None, list[str]]:
    """The pictures that can be read, None where none can; and what is wrong with the others.

    Every one is decoded once, so that nothing is found to be unreadable in the middle of a run.
    """
    keep = len(pictures) * int(np.prod(shape)) <= _KEPT_BYTES
    pixels: list[np.ndarray] = []
    kept, bad, digest = [], [], hashlib.sha256()
    for index, found in enumerate(_decoded(pictures.files, lambda file: read_image(file, shape, fit))):
        if isinstance(found, DataError):
            bad.append(str(found))
            continue
        kept.append(index)
        if keep:
            pixels.append(found)
        else:
            digest.update(found.data)
    if not kept:
        return None, bad
    if bad:
        pictures = pictures.only(kept)
    labels = pictures.labels
    if keep:
        return Arrays(np.stack(pixels), labels, pictures.names, pictures.label_names), bad
    digest.update(repr((len(kept), *shape, None if labels is None else labels.tolist())).encode())
    return Files(pictures, shape, fit, digest.hexdigest()), bad


def classes_of(places: Sequence[PurePath]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Class numbers and names: subfolders, where there are several and no picture lies beside them, by name."""
    folders = [place.parts[0] if len(place.parts) > 1 else None for place in places]
    # A stray image at the top has no class, so none is given.
    if None in folders or len(set(folders)) < 2:
        return None, ()
    return numbered([folder for folder in folders if folder])


def numbered(texts: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class numbers (count,) of texts, and the texts that stand for 0, 1, …: in their order, each once."""
    names = sorted(set(texts))
    number = {name: index for index, name in enumerate(names)}
    return np.array([number[text] for text in texts]), tuple(names)


def _decoded(
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
