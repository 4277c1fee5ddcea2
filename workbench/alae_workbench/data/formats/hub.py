"""Data sets of the Hugging Face Hub: shards of parquet as downloaded, and the Arrow files of `save_to_disk`."""

import json
import os
import re
from collections import Counter
from collections.abc import Collection as Names
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from alae_core._support.files import read_regular
from alae_core._support.text import short_repr
from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.hub_columns import Columns, convert_values, find_columns, to_numpy
from alae_workbench.data.formats.row_groups import open_row_groups, read_cell
from alae_workbench.data.formats.stamp import stamp_file
from alae_workbench.data.label_ways import NONE
from alae_workbench.data.labels import UNLABELLED, Labels, as_labels, is_labelled
from alae_workbench.data.listing import UNLABELLED_HELD_OUT, Skipped
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import Member
from alae_workbench.data.source import DataError
from alae_workbench.data.splits import find_split

#: file name endings of single files
HUB = (".parquet", ".arrow")
# Files that `save_to_disk` writes beside its .arrow files, and in their parent folder if there are several splits.
_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
# Shards are named SPLIT-00000-of-00002.parquet; a data set of one configuration has them in the folder data.
_SHARD = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}(-[0-9a-f]+)?")
_TRAIN = "train"
# Entries of a folder that are looked at to find parquet files below it.
_MOST_ENTRIES = 32
# Maximum bytes of the JSON that describes a data set.
_MOST_BYTES = 2**24
_BROKEN = (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError)


def is_hub(path: Path, names: Names[str]) -> bool:
    """Whether a path is a parquet or Arrow file, or a folder that contains `names` is a data set of such files."""
    if not names:
        return path.suffix.lower() in HUB and not path.is_dir()
    if _STATE in names or _SPLITS in names or any(name.endswith(".parquet") for name in names):
        return True
    return len(names) <= _MOST_ENTRIES and _has_shards(path)


def list_hub(path: Path, options: SourceOptions = DEFAULTS) -> Collection:
    """List the images of a data set in the order of its files and rows.

    If there are several splits, the one called `train` is used, and those called `test`, `validation` or similar are
    held out. Images are the column of type Image, or the only column of bytes or of bytes and a path; labels are the
    column `label`, or the first column of type ClassLabel, or one called `labels`, `class` or similar, or else all
    columns of truth values. A row whose value is null has no label.

    Raises:
        DataError: pyarrow is not installed, the path holds several splits without a `train`, a file is damaged, or
            lacks a column of images, or the chosen labels or images.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise DataError(f"reading {path} requires the package pyarrow: pip install 'alae[hub]'") from error
    train_files, test_files = _select_files(path)
    train = _read_rows(path, train_files, options)
    test = _read_rows(path, test_files, options) if test_files else None
    if test and not len(test):
        test = None
    if not len(train):
        raise DataError(f"there are no images in {path}: it has no rows")
    labels = _to_labels(train, test, options)
    text = str(Labels(None if labels.values is None else labels.values[: len(train)], *_rest(labels)))
    descriptions = [path / name for name in (_STATE, _INFO) if path.is_dir() and (path / name).exists()]
    stored = [*train_files, *test_files, *descriptions]
    found = _make_collection(path, train, labels, slice(len(train)), stored, text)
    if not test:
        return found
    rest = _make_collection(path, test, labels, slice(len(train), None), stored, text)
    skipped: Skipped = Counter()
    if rest.labels is not None:
        labelled = np.flatnonzero(is_labelled(rest.labels))
        skipped[UNLABELLED_HELD_OUT, ""] = len(rest) - len(labelled)
        rest = rest if len(labelled) == len(rest) else rest.select(labelled.tolist())
    return replace(found, skipped=skipped, test=rest if len(rest) else None)


def _rest(labels: Labels) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    return labels.names, labels.origin, labels.notes


class _Rows(NamedTuple):
    """The rows of some files.

    Attributes:
        files: the files.
        groups: for each group of rows its file, its number in the file, and its number of rows.
        ends: the number of rows up to the end of each group.
        columns: the columns of images and labels.
        values: for each column of labels its values: numbers, with NaN or UNLABELLED for null, or texts and None.
    """

    files: Sequence[Path]
    groups: Sequence[tuple[int, int, int]]
    ends: np.ndarray
    columns: Columns
    values: Sequence[np.ndarray]

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0


def _read_rows(path: Path, files: Sequence[Path], options: SourceOptions) -> _Rows:
    """Read the columns of labels; images are read on request."""
    import pyarrow

    groups: list[tuple[int, int, int]] = []
    columns: Columns | None = None
    values: list[list[np.ndarray]] = []
    for number, file in enumerate(files):
        try:
            row_groups = open_row_groups(stamp_file(file))
            found = find_columns(row_groups.schema, _read_features(path, row_groups.schema), options)
            if columns is not None and found != columns:
                raise ValueError("its columns differ from those of the first file")
            columns = found
            values = values or [[] for _ in columns.labels]
            for group in range(row_groups.count):
                groups.append((number, group, row_groups.rows(group)))
                for parts, name in zip(values, columns.labels, strict=True):
                    parts.append(to_numpy(row_groups.read_valid(group, name), columns.are_classes))
        except (*_BROKEN, pyarrow.ArrowException) as error:
            raise DataError(f"{file} cannot be read: {_describe(error)}") from error
    ends = np.cumsum([rows for _, _, rows in groups], dtype=np.int64)
    joined = [np.concatenate(parts) if parts else np.empty(0) for parts in values]
    return _Rows(files, groups, ends, columns or Columns("", (), (), False, ()), joined)


def _to_labels(train: _Rows, test: _Rows | None, options: SourceOptions) -> Labels:
    """Convert the columns of labels of both splits together."""
    columns = train.columns
    if not columns.labels:
        notes = ("as requested",) if options.labels == NONE else columns.notes
        return Labels(notes=notes)
    parts = [train.values] + ([test.values] if test and test.columns.labels == columns.labels else [])
    joined = [np.concatenate(some) for some in zip(*parts, strict=True)]
    missing = sum(map(len, (train, test))) - len(joined[0]) if test else 0
    origin = f"column '{columns.labels[0]}'" if len(joined) == 1 else "columns of truth values"
    try:
        values, names = convert_values(joined, columns)
    except (DataError, ValueError) as error:
        if options.labels is not None:
            raise DataError(f"the labels {short_repr(options.labels)} cannot be used: {error}") from error
        return Labels(notes=(f"found {origin}, not used: {error}",))
    if missing:
        values = np.concatenate(
            [values, np.full((missing, *values.shape[1:]), UNLABELLED if values.ndim == 1 else np.nan)]
        )
    return Labels(values, names, origin, columns.notes)


def _make_collection(
    path: Path, rows: _Rows, labels: Labels, part: slice, stored: Sequence[Path], text: str
) -> Collection:
    values = None if labels.values is None else as_labels(labels.values[part])
    make_member = partial(_make_member, path, rows.files, rows.groups, rows.ends, rows.columns.image)
    count = len(rows)
    return Collection(LazySequence(count, make_member), LazySequence(count, str), values, labels.names, stored, text)


def _select_files(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of the training split, or all, and those of the held-out splits."""
    if not path.is_dir():
        return [path], []
    if (path / _SPLITS).exists():
        raise DataError(f"{path} holds several splits: give one of them, such as {path / _TRAIN}")
    return (_list_saved(path), []) if (path / _STATE).exists() else _select_split(path, _list_shards(path))


def _has_shards(folder: Path, depth: int = 2) -> bool:
    """Whether a folder holds parquet files in subfolders, such as data/ and default/train/, by a few entries."""
    try:
        with os.scandir(folder) as entries:
            some = [entry for entry in islice(entries, _MOST_ENTRIES) if not entry.name.startswith(".")]
            if any(entry.name.endswith(".parquet") for entry in some):
                return True
            return depth > 0 and any(
                entry.is_dir(follow_symlinks=False) and _has_shards(Path(entry.path), depth - 1) for entry in some
            )
    except OSError:
        return False


def _list_shards(folder: Path) -> list[Path]:
    """List the parquet files in a folder, or else in its subfolders, such as data/, train/ and default/train/."""
    for pattern in ("[!.]*.parquet", "[!.]*/[!.]*.parquet", "[!.]*/[!.]*/[!.]*.parquet"):
        files = sorted(folder.glob(pattern))
        if files:
            return files
    return []


def _select_split(folder: Path, files: list[Path]) -> tuple[list[Path], list[Path]]:
    parents = sorted({file.parent.parent for file in files if find_split(file.parent.name)})
    if len(parents) > 1:
        raise DataError(f"{folder} holds several data sets: give one of them, such as {parents[0]}")
    splits: dict[str, list[Path]] = {}
    for file in files:
        splits.setdefault(_name_split(file), []).append(file)
    train = splits.get(_TRAIN) or (files if len(splits) == 1 else [])
    if not train:
        raise DataError(f"{folder} holds several splits, but none named {_TRAIN}: give one file, such as {files[0]}")
    held_out = (
        [split for split in splits if split != _TRAIN and find_split(split) == "held out"] if len(splits) > 1 else []
    )
    return train, [file for split in sorted(held_out) for file in splits[split]]


def _name_split(file: Path) -> str:
    """Return the split of a file by its name, train-00000-of-00002 or train, or by its folder; "" if neither tells."""
    match = _SHARD.fullmatch(file.stem)
    if match:
        return match["split"]
    for name in (file.parent.name, file.stem):
        if find_split(name):
            return _TRAIN if find_split(name) == "train" else name
    return ""


def _list_saved(folder: Path) -> list[Path]:
    entries = _read_json(folder / _STATE).get("_data_files")
    files = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    names = [str(entry.get("filename")) for entry in files]
    # A name that contains a folder could refer to any file.
    if not names or not all(name == Path(name).name for name in names):
        raise DataError(f"{folder / _STATE} names no .arrow files in its own folder")
    return [folder / name for name in names]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_regular(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {_describe(error)}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} cannot be read: it is not a JSON object")
    return content


def _read_features(path: Path, schema: Any) -> dict[str, Any]:
    """Read the types that the library `datasets` recorded for the columns, by name."""
    recorded = (schema.metadata or {}).get(b"huggingface")
    info: Any = {}
    if recorded:
        info = json.loads(recorded[:_MOST_BYTES])
        info = info.get("info", {}) if isinstance(info, dict) else {}
    elif path.is_dir() and (path / _INFO).exists():
        info = _read_json(path / _INFO)
    features = info.get("features") if isinstance(info, dict) else None
    return features if isinstance(features, dict) else {}


def _make_member(
    path: Path, files: Sequence[Path], groups: Sequence[tuple[int, int, int]], ends: np.ndarray, image: str, index: int
) -> Member:
    at = int(np.searchsorted(ends, index, "right"))
    file_number, group, rows = groups[at]
    row = index - int(ends[at]) + rows
    return Member(path, PurePosixPath(str(index)), partial(_read_picture, files[file_number], group, row, image))


def _read_picture(path: Path, group: int, row: int, column: str) -> bytes:
    import pyarrow

    try:
        value = read_cell(stamp_file(path), group, row, column)
    except pyarrow.ArrowException as error:
        raise ValueError(_describe(error)) from error
    content = value.get("bytes") if isinstance(value, dict) else value
    if content is None:
        elsewhere = value.get("path") if isinstance(value, dict) else None
        raise ValueError(
            f"its file is not in the data set but at {elsewhere!r:.80}: save it with the library's `save_to_disk`"
            if elsewhere
            else "it is empty"
        )
    return content


def _describe(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:300]
