"""A prepared set as a source: reads only the requested records, at the requested size."""

from bisect import bisect_right
from collections.abc import Collection as Names
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
from alae_workbench.data.prepared.set_format import (
    MANIFEST,
    PREPARING,
    Manifest,
    read_set_manifest,
    record_dtype,
    record_shape,
)
from alae_workbench.data.source import DataError, SourceRepr, Splits, describe_error, read_at_size


def is_prepared(path: Path, names: Names[str]) -> bool:
    """Whether a folder that contains `names` is a prepared set, complete or not."""
    return MANIFEST in names or PREPARING in names


def open_set(path: Path) -> Splits:
    """Open a prepared set.

    Raises DataError if it is incomplete, its manifest is invalid, or a file's length differs from the manifest.
    """
    if not (path / MANIFEST).is_file():
        raise DataError(f"{path} is not completely prepared: run the `alae data prepare` that began it again")
    manifest = read_set_manifest(path)
    parts = {name: PreparedSource(path, manifest, name) for name in manifest.parts}
    return Splits(
        parts["images"],
        parts.get("test"),
        manifest.images.left_out,
        manifest.interpretation,
        value_range=manifest.value_range,
    )


class PreparedSource(SourceRepr):
    """A part of a prepared set.

    Args:
        path: the set.
        manifest: its manifest.
        part: the part's name.

    Raises DataError if a file's length differs from the manifest, or array_record is not installed.
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
            self._records[height] = _Records(files, record_shape(self.shape, height), record_dtype(self.shape, height))

    def __len__(self) -> int:
        return self.part.count

    @cached_property
    def labels(self) -> np.ndarray | None:
        """See `Source.labels`."""
        if self.part.labels is None:
            return None
        file = self.path / self.name / "labels.npy"
        labels = read_arrays(file).get("images")
        if labels is None or labels.dtype.kind not in "if" or labels.ndim not in (1, 2) or len(labels) != len(self):
            raise DataError(f"{file} is damaged: it must have {len(self):,} labels")
        return labels

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of classes 0, 1, … or of the attributes; () if unknown."""
        return self.manifest.label_names

    @property
    def crop_box(self) -> str:
        """The part of each picture that was used, as in `training.crop_box`; "" for all of it."""
        return self.manifest.crop_box

    @property
    def label_text(self) -> str:
        """Where the source's labels come from: see `labels.Labels`; "" if that is not recorded."""
        return self.manifest.label_text

    @cached_property
    def names(self) -> Sequence[str] | None:
        """The names of the picture files, or None."""
        if self.part.names is None:
            return None
        file = self.path / self.name / "names.txt"
        try:
            names = read_regular(file).decode().split("\n")[:-1]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file} cannot be read: {describe_error(error)}") from error
        if len(names) != len(self):
            raise DataError(f"{file} is damaged: it must have {len(self):,} lines, but has {len(names):,}")
        return names

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the shape and of the manifest's hashes of shards and labels."""
        return sha256(f"{self.shape} {self.part.model_dump(exclude={'names', 'left_out'})}".encode()).hexdigest()

    def images(self, indices: np.ndarray, size: int | None = None) -> np.ndarray:
        """Read the images at `indices`: see `Source.images`. Raises DataError if a shard is damaged."""
        height, width, _ = self.shape
        if size not in self._records or height != width or size == height:
            return read_at_size(self._records[height].read, self.shape, indices, size)
        return to_float(means(self._records[size].read(np.asarray(indices)), height // size))


class _Instruction(NamedTuple):
    """A file and its number of records, with which array_record delays opening the file until it is read."""

    filename: str
    take: int
    skip: int = 0

    @property
    def examples_in_shard(self) -> int:
        return self.take


class _Records:
    """The records at one height; files are opened on first use."""

    def __init__(self, files: list[_Instruction], shape: tuple[int, int, int], dtype: np.dtype) -> None:
        self._files, self._shape, self._dtype = files, shape, dtype
        self._bytes = prod(shape) * dtype.itemsize

    @cached_property
    def _source(self) -> Any:
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        return ArrayRecordDataSource(self._files)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Read records as (len(indices), H, W, C) in their own dtype."""
        content = np.empty((len(indices), self._bytes), np.uint8)
        if len(indices):
            try:
                records = self._source.__getitems__(indices)
            except (RuntimeError, ValueError, IndexError, OSError) as error:
                raise DataError(f"{self._name_files(indices)} cannot be read: {str(error).splitlines()[0]}") from error
            for row, record in zip(content, records, strict=True):
                if len(record) != self._bytes:
                    raise DataError(
                        f"{self._name_files(indices)} is damaged: a record has {len(record):,} bytes, not "
                        f"{self._bytes:,}"
                    )
                row[:] = np.frombuffer(record, np.uint8)
        return content.view(self._dtype).reshape(len(indices), *self._shape)

    def _name_files(self, indices: np.ndarray) -> str:
        ends = list(accumulate(file.take for file in self._files))
        shards = {bisect_right(ends, int(index)) for index in indices}
        first = self._files[min(min(shards), len(self._files) - 1)].filename
        return first if len(shards) == 1 else f"one of {first} and {len(shards) - 1} more"


def require_package() -> None:
    """Raise DataError if array_record is not installed."""
    try:
        import array_record  # noqa: F401
    except ImportError as error:
        raise DataError(
            "prepared sets require the package array_record, which exists for Linux and macOS: on other systems give "
            "the folder, archive or arrays directly"
        ) from error


def _require_size(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if found != size:
        raise DataError(f"{path} is truncated or changed: it has {found:,} bytes, but the manifest says {size:,}")
