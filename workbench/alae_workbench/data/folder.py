"""Folders and archives of image files: found at any depth, labelled by subfolder, decoded when they are asked for."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np

from alae_workbench.data.archive import ARCHIVES, Member, members
from alae_workbench.data.pictures import ENDINGS, read_image
from alae_workbench.data.source import Arrays, DataError, Fit, Legible, Source, at_size

# Decoded images that are kept in memory; beyond, they are decoded whenever they are asked for.
_KEPT_BYTES = 2**30
# Files decoded at once: Pillow lets other threads run meanwhile.
_TOGETHER = 64


class Files(Legible):
    """Image files, decoded when they are asked for.

    Args:
        files: where they are.
        shape: H, W and C of what each becomes.
        fit: how (`pictures.read_image`).
        labels: class numbers (count,), where there are any.
        names: what they are called.
        fingerprint: see `Source`.
    """

    def __init__(
        self,
        files: Sequence[Path | Member],
        shape: tuple[int, int, int],
        fit: Fit,
        labels: np.ndarray | None,
        names: Sequence[str],
        fingerprint: str,
    ) -> None:
        self.files, self.shape, self.fit = files, shape, fit
        self.labels, self.names, self.fingerprint = labels, names, fingerprint

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


def image_files(path: Path) -> list[Path]:
    """The files of a folder, at any depth, that are images by their names.

    Hidden ones and links to folders are passed over. Raises DataError where none is left, or a folder cannot be read.
    """
    files, folders = [], [path]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    # What systems and tools leave beside images: previews, and copies of a Mac's.
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.name.lower().endswith(ENDINGS):
                        files.append(Path(entry.path))
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    if not files:
        raise DataError(
            f"there are no images in {path}: it should hold {', '.join(ENDINGS)} files, in any subfolders; "
            "hidden ones and links to folders are passed over"
        )
    return sorted(files)


def pictures_of(path: Path) -> Sequence[Path | Member]:
    """The image files of a folder or an archive. Raises DataError as `image_files` and `archive.members` do."""
    if path.suffix.lower() not in ARCHIVES or path.is_dir():
        return image_files(path)
    found = [each for each in members(path) if each.place.name.lower().endswith(ENDINGS) and not _hidden(each.place)]
    if not found:
        raise DataError(f"there are no images in {path}: it should hold {', '.join(ENDINGS)} files, in any folders")
    return found


def read_pictures(path: Path, shape: tuple[int, int, int], *, fit: Fit = "crop") -> tuple[Source | None, list[str]]:
    """The images of a folder or an archive that can be read, None where none can; and what is wrong with the others.

    Every file is decoded once, so that nothing is found to be unreadable in the middle of a run. Subfolders, where
    there are several and no image lies beside them, are classes, numbered in the order of their names.
    """
    files = pictures_of(path)
    keep = len(files) * int(np.prod(shape)) <= _KEPT_BYTES
    pixels: list[np.ndarray] = []
    kept, bad, digest = [], [], hashlib.sha256()
    for file, found in zip(files, _decoded(files, lambda file: read_image(file, shape, fit)), strict=True):
        if isinstance(found, DataError):
            bad.append(str(found))
            continue
        kept.append(file)
        if keep:
            pixels.append(found)
        else:
            digest.update(found.data)
    if not kept:
        return None, bad
    places = [file.relative_to(path) if isinstance(file, Path) else file.place for file in kept]
    labels, names = _classes(places), [place.as_posix() for place in places]
    if keep:
        return Arrays(np.stack(pixels), labels, names), bad
    digest.update(repr((len(kept), *shape, None if labels is None else labels.tolist())).encode())
    return Files(kept, shape, fit, labels, names, digest.hexdigest()), bad


def _hidden(place: PurePath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in place.parts)


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


def _classes(names: Sequence[PurePath]) -> np.ndarray | None:
    folders = [name.parts[0] if len(name.parts) > 1 else None for name in names]
    classes = sorted({folder for folder in folders if folder})
    # A stray image at the top has no class, so none is given.
    return np.array([classes.index(f) for f in folders if f]) if len(classes) > 1 and None not in folders else None
