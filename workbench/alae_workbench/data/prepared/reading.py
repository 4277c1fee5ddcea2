"""A prepared set as a source: records of the level that is asked for, found by index, and nothing else read."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alae_core._support.files import read_regular
from alae_core.images import means, to_float
from alae_workbench.data.formats.arrays import read_arrays
from alae_workbench.data.prepared.layout import (
    MANIFEST,
    PREPARING,
    Manifest,
    level_dtype,
    level_shape,
    read_set,
)
from alae_workbench.data.source import DataError, Legible, at_size


def is_prepared(path: Path) -> bool:
    """Whether a folder is a prepared set, or what a preparation has left of one."""
    return (path / MANIFEST).is_file() or (path / PREPARING).is_dir()


def open_set(path: Path) -> dict[str, "Prepared"]:
    """The parts of a prepared set, by name: "images", and "test" where there is one.

    Raises DataError where it is unfinished, its manifest cannot be believed, or a file is not as long as that says.
    """
    if not (path / MANIFEST).is_file():
        raise DataError(f"{path} is being prepared: finish it with the `alae data prepare` that began it")
    manifest = read_set(path)
    return {name: Prepared(path, manifest, name) for name in manifest.parts}


class Prepared(Legible):
    """A part of a prepared set.

    Args:
        path: the set.
        manifest: what it says of itself.
        part: the part's name.

    Raises DataError where a file is not as long as the manifest says, or nothing here reads ArrayRecord.
    """

    def __init__(self, path: Path, manifest: Manifest, part: str) -> None:
        self.path, self.manifest, self.name = path, manifest, part
        self.part = manifest.parts[part]
        self.shape = manifest.image
        require_package()
        self._records = {}
        for level, height in enumerate(manifest.levels):
            files = []
            for file, shard in zip(manifest.files(part, level), self.part.shards, strict=True):
                _require_size(path / file, shard.files[level].size)
                if shard.count:
                    files.append(_Instruction(str(path / file), shard.count))
            self._records[height] = _Records(files, level_shape(self.shape, height), level_dtype(self.shape, height))

    def __len__(self) -> int:
        return self.part.count

    @cached_property
    def labels(self) -> np.ndarray | None:
        """See `Source.labels`."""
        if self.part.labels is None:
            return None
        found = read_arrays(self.path / self.name / "labels.npy").get("images")
        if found is None or found.dtype.kind not in "if" or found.ndim not in (1, 2) or len(found) != len(self):
            raise DataError(f"{self.path / self.name / 'labels.npy'} is damaged: it should have {len(self):,} labels")
        return found

    @property
    def label_names(self) -> tuple[str, ...]:
        """What classes 0, 1, … or the attributes are called, where they have names."""
        return self.manifest.label_names

    @cached_property
    def names(self) -> Sequence[str] | None:
        """What the images are called, where they were files."""
        if self.part.names is None:
            return None
        file = self.path / self.name / "names.txt"
        try:
            found = read_regular(file).decode().split("\n")[:-1]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if len(found) != len(self):
            raise DataError(f"{file} is damaged: it should have {len(self):,} lines, but has {len(found):,}")
        return found

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the hashes of all shards and labels, as the manifest has them."""
        return sha256(f"{self.shape} {self.part.model_dump(exclude={'names', 'left_out'})}".encode()).hexdigest()

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """The images at `indices`: see `Source.images`. Raises DataError where a shard is damaged."""
        height, width, _ = self.shape
        if size not in self._records or height != width or size == height:
            return at_size(self._records[height].read, self.shape, indices, size)
        return to_float(means(self._records[size].read(np.asarray(indices)), height // size))


class _Instruction(NamedTuple):
    """What the library has to know of a file, so that it opens none before it is needed."""

    filename: str
    take: int
    skip: int = 0

    @property
    def examples_in_shard(self) -> int:
        return self.take


class _Records:
    """The records of one level, whose files are opened when they are first read."""

    def __init__(self, files: list[_Instruction], shape: tuple[int, int, int], dtype: np.dtype) -> None:
        self._files, self._shape, self._dtype = files, shape, dtype
        self._bytes = prod(shape) * dtype.itemsize

    @cached_property
    def _source(self) -> Any:
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        return ArrayRecordDataSource(self._files)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(len(indices), H, W, C) of the level's numbers."""
        found = np.empty((len(indices), self._bytes), np.uint8)
        if len(indices):
            try:
                records = self._source.__getitems__(indices)
            except (RuntimeError, ValueError, IndexError, OSError) as error:
                raise DataError(f"{self._at(indices)} cannot be read: {str(error).splitlines()[0]}") from error
            for row, record in zip(found, records, strict=True):
                if len(record) != self._bytes:
                    raise DataError(
                        f"{self._at(indices)} is damaged: a record has {len(record):,} bytes, not {self._bytes:,}"
                    )
                row[:] = np.frombuffer(record, np.uint8)
        return found.view(self._dtype).reshape(len(indices), *self._shape)

    def _at(self, indices: np.ndarray) -> str:
        ends = list(accumulate(file.take for file in self._files))
        shards = {bisect_right(ends, int(index)) for index in indices}
        first = self._files[min(min(shards), len(self._files) - 1)].filename
        return first if len(shards) == 1 else f"one of {first} and {len(shards) - 1} more"


def require_package() -> None:
    """Raise DataError where nothing here reads and writes ArrayRecord."""
    try:
        import array_record  # noqa: F401
    except ImportError as error:
        raise DataError(
            "prepared sets need the package array_record, which there is for Linux and macOS: elsewhere give the "
            "folder, the archive or the arrays themselves"
        ) from error


def _require_size(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if found != size:
        raise DataError(f"{path} is torn: it has {found:,} bytes, but the manifest says {size:,}")
