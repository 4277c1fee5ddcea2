"""Data sets of the Hugging Face Hub: shards of parquet as they are downloaded, and what `save_to_disk` leaves."""

import json
import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from alae_core._support.files import open_regular, read_regular
from alae_workbench.data.collection import Made, Pictures, numbered
from alae_workbench.data.pictures import Member
from alae_workbench.data.source import DataError, as_labels

#: what the names of single files end in
HUB = (".parquet", ".arrow")
# What `save_to_disk` writes beside its .arrow files, and where it has several splits, above them.
_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
# A shard as the Hub names it, SPLIT-00000-of-00002.parquet; where they lie in a data set of one configuration.
_SHARD = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}(-[0-9a-f]+)?")
_TRAIN, _WITHIN = "train", "data"
# Bytes of a text beside the data, and bytes that a group of rows may unpack to: all of a group is in memory at once.
_MOST_TEXT, _MOST_GROUP = 2**24, 2**31
# Groups of rows in memory: the one that is read, and the next.
_KEPT = 2
_READING = Lock()
_BROKEN = (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError)


def is_hub(path: Path, inside: Collection[str]) -> bool:
    """Whether a path is a file of parquet or Arrow, or a folder with the names `inside` is a data set of such files."""
    if not inside:
        return path.suffix.lower() in HUB and not path.is_dir()
    if _STATE in inside or _SPLITS in inside or any(name.endswith(".parquet") for name in inside):
        return True
    return _WITHIN in inside and bool(_shards(path))


def pictures_in_hub(path: Path) -> Pictures:
    """The images of a data set, in the order of its files and rows.

    Of shards as the Hub names them the split `train` is taken, or the only one. Images are the column of that type, or
    the only one of bytes, or of bytes and a path; labels are the column `label`, or the first of classes.

    Raises:
        DataError: pyarrow is missing; the path holds several splits; a file is damaged, or has no such column.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise DataError(f"{path} is read by pyarrow, which cannot be imported: pip install 'alae[hub]'") from error
    if path.is_dir() and (path / _SPLITS).exists():
        raise DataError(f"{path} holds several splits: give one of them, such as {path / _TRAIN}")
    if not path.is_dir():
        files = [path]
    elif (path / _STATE).exists():
        files = _saved(path)
    else:
        files = _of_a_split(path, _shards(path))
    groups: list[tuple[int, int, int]] = []
    labels, columns = [], None
    for number, file in enumerate(files):
        try:
            opened = _opened(_stamp(file))
            found = _columns(opened.schema, _features(path, opened.schema))
            if columns is not None and found != columns:
                raise ValueError("its columns are not those of the first file")
            columns = found
            for group in range(opened.groups):
                groups.append((number, group, opened.rows(group)))
                if columns.label:
                    labels.append(_valid(opened.read(group, columns.label)).to_numpy(zero_copy_only=False).copy())
        except (*_BROKEN, pyarrow.ArrowException) as error:
            raise DataError(f"{file} cannot be read: {_reason(error)}") from error
    ends = np.cumsum([rows for _, _, rows in groups], dtype=np.int64)
    if columns is None or not len(ends) or not ends[-1]:
        raise DataError(f"there are no images in {path}: it has no rows")
    count = int(ends[-1])
    numbers, names = (None, ()) if not labels else _as_classes(path, np.concatenate(labels), columns.names)
    described = [path / name for name in (_STATE, _INFO) if path.is_dir() and (path / name).exists()]
    made = partial(_member, path, files, groups, ends, columns.image)
    return Pictures(Made(count, made), Made(count, str), numbers, names, [*files, *described])


class _Columns(NamedTuple):
    """The column of images, the one of labels, "" for none, and what classes are called."""

    image: str
    label: str
    names: tuple[str, ...]


def _shards(folder: Path) -> list[Path]:
    """The files of parquet in a folder, or else in that named data within it."""
    for place in (folder, folder / _WITHIN):
        found = sorted(place.glob("[!.]*.parquet")) if place.is_dir() else []
        if found:
            return found
    return []


def _of_a_split(folder: Path, files: list[Path]) -> list[Path]:
    splits: dict[str, list[Path]] = {}
    for file in files:
        match = _SHARD.fullmatch(file.stem)
        splits.setdefault(match["split"] if match else "", []).append(file)
    if len(splits) == 1 or _TRAIN in splits:
        return splits.get(_TRAIN) or files
    raise DataError(f"{folder} holds several splits, and none is {_TRAIN}: give one file, such as {files[0]}")


def _saved(folder: Path) -> list[Path]:
    named = _text(folder / _STATE).get("_data_files")
    names = [str(each.get("filename")) for each in named if isinstance(each, dict)] if isinstance(named, list) else []
    # A name that leads elsewhere is nobody's data.
    if not names or not all(name == Path(name).name for name in names):
        raise DataError(f"{folder / _STATE} names no .arrow files in its own folder")
    return [folder / name for name in names]


def _text(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(path, _MOST_TEXT))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {_reason(error)}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} cannot be read: it is no object")
    return found


def _features(path: Path, schema: Any) -> dict[str, Any]:
    """What the library that wrote the data says of its columns, by name."""
    said = (schema.metadata or {}).get(b"huggingface")
    found: Any = {}
    if said:
        found = json.loads(said[:_MOST_TEXT])
        found = found.get("info", {}) if isinstance(found, dict) else {}
    elif path.is_dir() and (path / _INFO).exists():
        found = _text(path / _INFO)
    features = found.get("features") if isinstance(found, dict) else None
    return features if isinstance(features, dict) else {}


def _columns(schema: Any, features: dict[str, Any]) -> _Columns:
    def typed(kind: str) -> list[str]:
        return [name for name in schema.names if _kind(features.get(name)) == kind]

    images = typed("Image") or [field.name for field in schema if _holds_bytes(field.type)]
    if len(images) != 1 or not _holds_bytes(schema.field(images[0]).type):
        raise ValueError(
            f"it should have one column of images, bytes or bytes and a path; its columns are {', '.join(schema.names)}"
        )
    classes = [name for name in ("label", *typed("ClassLabel")) if name in schema.names]
    label = classes[0] if classes else ""
    names = (features.get(label) or {}).get("names") if _kind(features.get(label)) == "ClassLabel" else None
    if label and not _is_class(schema.field(label).type):
        raise ValueError(f"its column {label!r:.80} should be numbers or texts, but is {schema.field(label).type}")
    return _Columns(images[0], label, tuple(map(str, names)) if isinstance(names, list) else ())


def _kind(feature: Any) -> Any:
    return feature.get("_type") if isinstance(feature, dict) else None


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_class(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_string(kind))


def _as_classes(path: Path, labels: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    if labels.dtype == object:
        return numbered([" ".join(str(label).split()) for label in labels])
    try:
        return as_labels(labels), names
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


class _Opened(NamedTuple):
    """A file: its schema, how many groups of rows, how many rows one has, and a column of one."""

    schema: Any
    groups: int
    rows: Callable[[int], int]
    read: Callable[[int, str], Any]


class _Stamp(NamedTuple):
    """A file as it is now: one that changed is opened again."""

    path: Path
    size: int
    changed: int


def _stamp(path: Path) -> _Stamp:
    with open_regular(path):
        there = path.stat()
    return _Stamp(path, there.st_size, there.st_mtime_ns)


@lru_cache(maxsize=8)
def _opened(file: _Stamp) -> _Opened:
    import pyarrow
    from pyarrow import ipc, parquet

    if file.path.suffix.lower() == ".parquet":
        shard = parquet.ParquetFile(file.path)

        def read(group: int, name: str) -> Any:
            unpacked = shard.metadata.row_group(group).total_byte_size
            if unpacked > _MOST_GROUP:
                raise ValueError(f"{unpacked:,} bytes in a group of rows, where {_MOST_GROUP:,} are the most")
            return shard.read_row_group(group, columns=[name]).column(name).combine_chunks()

        return _Opened(
            shard.schema_arrow, shard.num_row_groups, lambda group: shard.metadata.row_group(group).num_rows, read
        )
    with pyarrow.memory_map(str(file.path)) as mapped:
        messages = ipc.MessageReader.open_stream(mapped)
        first = next(messages, None)
        if first is None:
            raise ValueError("it holds no schema")
        schema, begins, rows = ipc.read_schema(first), [mapped.tell()], []
        for message in messages:
            rows.append(ipc.read_record_batch(message, schema).num_rows)
            begins.append(mapped.tell())

    def column(group: int, name: str) -> Any:
        # Of what is mapped only the column of labels comes into memory. Images are read: a file that is cut off while
        # it is mapped ends the process.
        opened = pyarrow.OSFile if _holds_bytes(schema.field(name).type) else pyarrow.memory_map
        with opened(str(file.path)) as content:
            content.seek(begins[group])
            return ipc.read_record_batch(ipc.read_message(content), schema).column(name)

    return _Opened(schema, len(rows), rows.__getitem__, column)


@lru_cache(maxsize=_KEPT)
def _group(file: _Stamp, group: int, name: str) -> Any:
    return _valid(_opened(file).read(group, name))


def _valid(column: Any) -> Any:
    """A column whose every reference is within it: nothing else may be looked at. Raises ArrowInvalid where not."""
    column.validate(full=True)
    return column


def _member(
    path: Path, files: Sequence[Path], groups: Sequence[tuple[int, int, int]], ends: np.ndarray, image: str, number: int
) -> Member:
    at = int(np.searchsorted(ends, number, "right"))
    file, group, rows = groups[at]
    row = number - int(ends[at]) + rows
    return Member(path, PurePosixPath(str(number)), partial(_content, files[file], group, row, image))


def _content(path: Path, group: int, row: int, name: str) -> bytes:
    import pyarrow

    try:
        # One thread unpacks a group, and the others find it.
        with _READING:
            value = _group(_stamp(path), group, name)[row].as_py()
    except pyarrow.ArrowException as error:
        raise ValueError(_reason(error)) from error
    content = value.get("bytes") if isinstance(value, dict) else value
    if content is None:
        where = value.get("path") if isinstance(value, dict) else None
        raise ValueError(
            f"it lies elsewhere, at {where!r:.80}: `save_to_disk` of its library takes it along"
            if where
            else "it is absent"
        )
    return content


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:300]
