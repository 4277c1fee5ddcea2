"""Data sets of the Hugging Face Hub: shards of parquet as downloaded, and the Arrow files of `save_to_disk`."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from alae_core._support.text import short_repr
from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.hub_columns import Columns, convert_values, find_columns, to_numpy
from alae_workbench.data.formats.hub_files import INFO, MOST_BYTES, STATE, describe_in_line, read_json, select_files
from alae_workbench.data.formats.row_groups import open_row_groups, read_cell
from alae_workbench.data.formats.stamp import stamp_file
from alae_workbench.data.label_ways import NONE
from alae_workbench.data.labels import Labels, as_labels, is_labelled
from alae_workbench.data.listing import UNLABELLED_HELD_OUT, Skipped
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import Member
from alae_workbench.data.source import UNLABELLED, DataError

_BROKEN = (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError)


def list_hub(path: Path, options: SourceOptions = DEFAULTS) -> Collection:
    """List the images of a data set in the order of its files and rows.

    If there are several splits, the one called `train` is used, and those called `test`, `validation` or similar are
    held out. Images are the column of type Image, or the only column of bytes or of bytes and a path; labels are the
    column `label`, or the first column of type ClassLabel, or one called `labels`, `class` or similar, or else all
    columns of truth values. A null means that the row has no label.

    Raises:
        DataError: pyarrow is not installed, the path holds several splits without a `train`, a file is damaged, or
            lacks a column of images, or the chosen labels or images.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise DataError(f"reading {path} requires the package pyarrow: pip install 'alae[hub]'") from error
    train_files, test_files = select_files(path)
    train = _read_rows(path, train_files, options)
    test = _read_rows(path, test_files, options) if test_files else None
    if test and not len(test):
        test = None
    if not len(train):
        raise DataError(f"there are no images in {path}: it has no rows")
    labels = _to_labels(train, test, options)
    text = str(Labels(None if labels.values is None else labels.values[: len(train)], *_rest(labels)))
    descriptions = [path / name for name in (STATE, INFO) if path.is_dir() and (path / name).exists()]
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
            folder = file.parent if file.suffix == ".arrow" else path
            found = find_columns(row_groups.schema, _read_features(folder, row_groups.schema), options)
            if columns is not None and found != columns:
                raise ValueError("its columns differ from those of the first file")
            columns = found
            values = values or [[] for _ in columns.labels]
            for group in range(row_groups.count):
                groups.append((number, group, row_groups.rows(group)))
                for parts, name in zip(values, columns.labels, strict=True):
                    parts.append(to_numpy(row_groups.read_valid(group, name), columns.are_classes))
        except (*_BROKEN, pyarrow.ArrowException) as error:
            raise DataError(f"{file} cannot be read: {describe_in_line(error)}") from error
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


def _read_features(path: Path, schema: Any) -> dict[str, Any]:
    """Read the types that the library `datasets` recorded for the columns, by name."""
    recorded = (schema.metadata or {}).get(b"huggingface")
    info: Any = {}
    if recorded:
        info = json.loads(recorded[:MOST_BYTES])
        info = info.get("info", {}) if isinstance(info, dict) else {}
    elif path.is_dir() and (path / INFO).exists():
        info = read_json(path / INFO)
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
        raise ValueError(describe_in_line(error)) from error
    content = value.get("bytes") if isinstance(value, dict) else value
    if content is None:
        elsewhere = value.get("path") if isinstance(value, dict) else None
        raise ValueError(
            f"its file is not in the data set but at {elsewhere!r:.80}: save it with the library's `save_to_disk`"
            if elsewhere
            else "it is empty"
        )
    return content
