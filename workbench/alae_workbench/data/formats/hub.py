"""Data sets of the Hugging Face Hub: shards of parquet as downloaded, and the Arrow files of `save_to_disk`."""

import json
import re
from collections.abc import Collection as Names
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from alae_core._support.files import read_regular
from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.row_groups import holds_bytes, open_row_groups, read_cell
from alae_workbench.data.formats.stamp import stamp_file
from alae_workbench.data.labels import as_labels, number_texts
from alae_workbench.data.picture_file import Member
from alae_workbench.data.source import DataError

#: file name endings of single files
HUB = (".parquet", ".arrow")
# Files that `save_to_disk` writes beside its .arrow files, and in their parent folder if there are several splits.
_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
# Shards are named SPLIT-00000-of-00002.parquet; a data set of one configuration has them in the folder data.
_SHARD = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}(-[0-9a-f]+)?")
_TRAIN, _DATA = "train", "data"
# Maximum bytes of the JSON that describes a data set.
_MOST_BYTES = 2**24
_BROKEN = (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError)


def is_hub(path: Path, names: Names[str]) -> bool:
    """Whether a path is a parquet or Arrow file, or a folder that contains `names` is a data set of such files."""
    if not names:
        return path.suffix.lower() in HUB and not path.is_dir()
    if _STATE in names or _SPLITS in names or any(name.endswith(".parquet") for name in names):
        return True
    return _DATA in names and bool(_list_shards(path))


def list_hub(path: Path) -> Collection:
    """List the images of a data set in the order of its files and rows.

    If there are several splits, the one called `train` is used. Images are the column of type Image, or the only
    column of bytes or of bytes and a path; labels are the column `label`, or the first column of type ClassLabel.

    Raises:
        DataError: pyarrow is not installed, the path holds several splits without a `train`, or a file is damaged or
            lacks a column of images.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise DataError(f"reading {path} requires the package pyarrow: pip install 'alae[hub]'") from error
    files = _select_files(path)
    groups: list[tuple[int, int, int]] = []
    labels, columns = [], None
    for number, file in enumerate(files):
        try:
            row_groups = open_row_groups(stamp_file(file))
            found = _find_columns(row_groups.schema, _read_features(path, row_groups.schema))
            if columns is not None and found != columns:
                raise ValueError("its columns differ from those of the first file")
            columns = found
            for group in range(row_groups.count):
                groups.append((number, group, row_groups.rows(group)))
                if columns.label:
                    values = row_groups.read_valid(group, columns.label)
                    labels.append(values.to_numpy(zero_copy_only=False).copy())
        except (*_BROKEN, pyarrow.ArrowException) as error:
            raise DataError(f"{file} cannot be read: {_describe(error)}") from error
    ends = np.cumsum([rows for _, _, rows in groups], dtype=np.int64)
    if columns is None or not len(ends) or not ends[-1]:
        raise DataError(f"there are no images in {path}: it has no rows")
    count = int(ends[-1])
    numbers, names = (None, ()) if not labels else _to_classes(path, np.concatenate(labels), columns.label_names)
    descriptions = [path / name for name in (_STATE, _INFO) if path.is_dir() and (path / name).exists()]
    make_member = partial(_make_member, path, files, groups, ends, columns.image)
    return Collection(
        LazySequence(count, make_member), LazySequence(count, str), numbers, names, [*files, *descriptions]
    )


def _select_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / _SPLITS).exists():
        raise DataError(f"{path} holds several splits: give one of them, such as {path / _TRAIN}")
    return _list_saved(path) if (path / _STATE).exists() else _select_split(path, _list_shards(path))


def _list_shards(folder: Path) -> list[Path]:
    """List the parquet files in a folder, or else in its subfolder data."""
    for place in (folder, folder / _DATA):
        files = sorted(place.glob("[!.]*.parquet")) if place.is_dir() else []
        if files:
            return files
    return []


def _select_split(folder: Path, files: list[Path]) -> list[Path]:
    splits: dict[str, list[Path]] = {}
    for file in files:
        match = _SHARD.fullmatch(file.stem)
        splits.setdefault(match["split"] if match else "", []).append(file)
    if len(splits) == 1 or _TRAIN in splits:
        return splits.get(_TRAIN) or files
    raise DataError(f"{folder} holds several splits, but none named {_TRAIN}: give one file, such as {files[0]}")


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


class _Columns(NamedTuple):
    """The name of the column of images, that of labels or "", and the names of the classes."""

    image: str
    label: str
    label_names: tuple[str, ...]


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


def _find_columns(schema: Any, features: dict[str, Any]) -> _Columns:
    def of_type(kind: str) -> list[str]:
        return [name for name in schema.names if _type_of(features.get(name)) == kind]

    images = of_type("Image") or [field.name for field in schema if holds_bytes(field.type)]
    if len(images) != 1 or not holds_bytes(schema.field(images[0]).type):
        raise ValueError(
            f"it must have one column of images, bytes or bytes and a path; its columns are {', '.join(schema.names)}"
        )
    classes = [name for name in ("label", *of_type("ClassLabel")) if name in schema.names]
    label = classes[0] if classes else ""
    names = (features.get(label) or {}).get("names") if _type_of(features.get(label)) == "ClassLabel" else None
    if label and not _can_be_class(schema.field(label).type):
        raise ValueError(f"its column {label!r:.80} must be numbers or texts, but is {schema.field(label).type}")
    return _Columns(images[0], label, tuple(map(str, names)) if isinstance(names, list) else ())


def _type_of(feature: Any) -> Any:
    return feature.get("_type") if isinstance(feature, dict) else None


def _can_be_class(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_string(kind))


def _to_classes(path: Path, labels: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    if labels.dtype == object:
        return number_texts([" ".join(str(label).split()) for label in labels])
    try:
        return as_labels(labels), names
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


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
