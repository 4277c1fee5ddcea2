"""TFRecords as StyleGAN and ALAE prepared their data, a set of files for each resolution; read without TensorFlow."""

import re
from collections.abc import Collection, Iterator
from functools import partial
from io import BytesIO
from math import prod
from pathlib import Path, PurePosixPath
from struct import Struct
from typing import BinaryIO

import google_crc32c
import numpy as np

from alae_core._support.files import open_regular
from alae_workbench.data.collection import Made, Pictures, numbered
from alae_workbench.data.formats.arrays import read_arrays
from alae_workbench.data.pictures import Member
from alae_workbench.data.source import DataError, as_labels

# NAME-r10.tfrecords, or a part of it, NAME-r10.tfrecords.003: images of 2^10 pixels a side. -r10 may be absent.
_NAME = re.compile(r"(?P<name>[^.].*?)(-r(?P<level>\d{1,2}))?\.tfrecords?([.-].*)?")
# Bytes that a record may have: images of 8192² in colour.
_MOST_BYTES = 2**28
# Features of an example, and values of a list that is not packed.
_MOST_FIELDS = 2**10
# Before each record its length and the checksum of that; after it its own checksum.
_HEADER, _LENGTH, _CHECKSUM = Struct("<QI"), Struct("<Q"), Struct("<I")
# In which field of a tf.train.Feature its values are.
_BYTES, _INTEGERS = 1, 3


def is_records(path: Path, inside: Collection[str]) -> bool:
    """Whether a path is a TFRecord, or a folder with the names `inside` holds some."""
    return any(map(_NAME.fullmatch, inside or [path.name]))


def pictures_in_records(path: Path) -> Pictures:
    """The images in a TFRecord, or in those of the highest resolution in a folder, in the order of files and records.

    Each record is a tf.train.Example of `data`, uint8, of `shape`, which is C, H, W or H, W, C or H, W, and perhaps of
    `label`, whole numbers or a text. A file NAME-rxx.labels beside them is an .npy of class numbers, one-hot rows or
    attributes. Checksums are verified: of lengths at once, of images when they are read.

    Raises:
        DataError: a file cannot be read, ends too soon, or lies about a length; the folder holds several data sets.
    """
    files = _highest(path) if path.is_dir() else [path]
    offsets, lengths, within = [], [], []
    labels: list[list[int] | list[bytes]] = []
    for number, file in enumerate(files):
        try:
            with open_regular(file) as content:
                found = list(_records(content))
                labels += _labels_in(content, found)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{file} cannot be read as a TFRecord: {getattr(error, 'strerror', None) or error}"
            ) from error
        within += [number] * len(found)
        offsets += [offset for offset, _ in found]
        lengths += [length for _, length in found]
    if not offsets:
        raise DataError(f"there are no images in {path}: its TFRecords are empty")
    index = np.array([within, offsets, lengths], np.int64).T
    beside = _file_beside(files[0])
    numbers: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    if beside:
        numbers = _labels_in_file(beside, len(index))
    elif labels:
        if len(labels) != len(index):
            raise DataError(f"{path}: {len(labels):,} of {len(index):,} records have a label, and all or none should")
        numbers, classes = _as_classes(path, labels)
    stored = [*files, *([beside] if beside and beside.is_relative_to(path) else [])]
    return Pictures(Made(len(index), partial(_member, files, index)), Made(len(index), str), numbers, classes, stored)


def _highest(folder: Path) -> list[Path]:
    """The TFRecords of the highest resolution, and those that name none, in the order of their names."""
    named = {file: match for file in sorted(folder.iterdir()) if (match := _NAME.fullmatch(file.name))}
    highest = max((int(match["level"]) for match in named.values() if match["level"]), default=0)
    taken = {file: match for file, match in named.items() if int(match["level"] or highest) == highest}
    names = sorted({match["name"] for match in taken.values() if match["level"]})
    if len(names) > 1:
        raise DataError(
            f"{folder} has TFRecords of several data sets, such as {names[0]} and {names[1]}: give a folder of one, or "
            f"a file"
        )
    return list(taken)


def _records(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where each record begins, and its length."""
    size = file.seek(0, 2)
    number, at = 0, file.seek(0)
    while at < size:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise ValueError(f"it ends within the header of record {number:,}")
        length, checksum = _HEADER.unpack(header)
        if _checksum(header[:8]) != checksum:
            raise ValueError(f"the checksum of the length of record {number:,} is wrong")
        end = at + _HEADER.size + length + _CHECKSUM.size
        if end > size:
            raise ValueError(f"record {number:,} has {length:,} bytes, but the file ends before")
        if length > _MOST_BYTES:
            raise ValueError(f"record {number:,} has {length:,} bytes, and images at the most {_MOST_BYTES:,}")
        yield at + _HEADER.size, length
        number, at = number + 1, file.seek(end)


def _checksum(content: bytes) -> int:
    """CRC-32C, turned and shifted as TFRecords have it, so that the checksum of a checksum is none."""
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _member(files: list[Path], index: np.ndarray, number: int) -> Member:
    within, offset, length = map(int, index[number])
    return Member(files[within], PurePosixPath(str(number)), partial(_pixels, files[within], offset, length))


def _pixels(path: Path, offset: int, length: int) -> np.ndarray:
    """The image in a record, (H, W) or (H, W, 3)."""
    with open_regular(path) as file:
        file.seek(offset)
        content = file.read(length + _CHECKSUM.size)
    if len(content) < length + _CHECKSUM.size:
        raise EOFError("the file ends within it")
    content, checksum = content[:length], content[length:]
    if _checksum(content) != _CHECKSUM.unpack(checksum)[0]:
        raise ValueError("its checksum is not that of its bytes")
    example = BytesIO(content)
    features = _features(example, 0, length)
    for name, kind in (("data", _BYTES), ("shape", _INTEGERS)):
        if features.get(name, (0,))[0] != kind:
            raise ValueError(f"it has no {name!r} of {'bytes' if kind == _BYTES else 'whole numbers'}")
    shape, data = _integers(example, *features["shape"][1:]), _texts(example, *features["data"][1:])
    if len(shape) not in (2, 3) or not all(1 <= axis <= 2**16 for axis in shape) or len(data) != 1:
        raise ValueError(f"it says that its shape is {shape!r:.80}, and images have 2 or 3 axes")
    if len(data[0]) != prod(shape):
        raise ValueError(
            f"its shape of {'×'.join(map(str, shape))} asks for {prod(shape):,} bytes, not {len(data[0]):,}"
        )
    pixels = np.frombuffer(data[0], np.uint8).reshape(shape)
    if pixels.ndim == 3:
        if shape[0] in (1, 3):
            pixels = pixels.transpose(1, 2, 0)
        elif shape[2] not in (1, 3):
            raise ValueError(f"its shape is {'×'.join(map(str, shape))}, and images have 1 or 3 channels")
        if pixels.shape[2] == 1:
            pixels = pixels[..., 0]
    return np.ascontiguousarray(pixels)


def _labels_in(file: BinaryIO, records: list[tuple[int, int]]) -> Iterator[list[int] | list[bytes]]:
    """What records say as `label`, those that do; nothing else of them is read, and nothing if the first has none."""
    for offset, length in records:
        kind, start, stop = _features(file, offset, offset + length).get("label", (0, 0, 0))
        if kind not in (_BYTES, _INTEGERS):
            return
        yield (_texts if kind == _BYTES else _integers)(file, start, stop)


def _as_classes(path: Path, labels: list[list[int] | list[bytes]]) -> tuple[np.ndarray, tuple[str, ...]]:
    flat = [values[0] for values in labels if len(values) == 1]
    if len(flat) == len(labels) and all(isinstance(value, bytes) for value in flat):
        return numbered([value.decode("utf-8", "backslashreplace") for value in flat if isinstance(value, bytes)])
    kinds = {(len(values), *map(type, values[:1])) for values in labels}
    if len(kinds) > 1 or not labels[0] or isinstance(labels[0][0], bytes):
        raise DataError(f"{path}: labels should be one text, or equally many whole numbers in each record")
    return _of_rows(np.array(labels)), ()


def _file_beside(file: Path) -> Path | None:
    match = _NAME.fullmatch(file.name)
    beside = match and file.with_name(f"{match['name']}-rxx.labels")
    return beside if beside and beside.exists() else None


def _labels_in_file(beside: Path, count: int) -> np.ndarray:
    labels = read_arrays(beside).get("images")
    if labels is None or labels.ndim not in (1, 2) or len(labels) != count:
        shape = "several arrays" if labels is None else f"an array of shape {labels.shape}"
        raise DataError(f"{beside} holds {shape}, but there are {count:,} images")
    try:
        return _of_rows(labels)
    except DataError as error:
        raise DataError(f"{beside}: {error}") from error


def _of_rows(rows: np.ndarray) -> np.ndarray:
    """Class numbers of rows that each have one 1 and else 0; other labels as they are."""
    if rows.ndim == 2 and rows.shape[1] > 1 and ((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all():
        rows = rows.argmax(1)
    return as_labels(rows)


def _features(file: BinaryIO, start: int, stop: int) -> dict[str, tuple[int, int, int]]:
    """Of a tf.train.Example the features by name: in which field the values are, and where that begins and ends.

    Raises ValueError where it is none.
    """
    found = {}
    for _, begin, end in _numbered(file, start, stop, 1):
        for _, *entry in _numbered(file, begin, end, 1):
            parts = {field: (at, until) for field, at, until in _fields(file, *entry)}
            if 1 in parts and 2 in parts and parts[1][1] - parts[1][0] < 2**8:
                values = next(_fields(file, *parts[2]), None)
                if values is not None:
                    found[_read(file, *parts[1]).decode("utf-8", "replace")] = values
    return found


def _numbered(file: BinaryIO, start: int, stop: int, number: int) -> Iterator[tuple[int, int, int]]:
    return (each for each in _fields(file, start, stop) if each[0] == number)


def _fields(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a protocol buffer: their numbers, and where the content of each begins and ends."""
    for _ in range(_MOST_FIELDS):
        if start == stop:
            return
        file.seek(start)
        key = _varint(file)
        kind, at = key & 7, file.tell()
        if kind == 0:
            _varint(file)
            end = file.tell()
        elif kind == 2:
            length = _varint(file)
            at = file.tell()
            end = at + length
        elif kind in (1, 5):
            end = at + (8 if kind == 1 else 4)
        else:
            end = stop + 1
        if end > stop:
            raise ValueError("it is no tf.train.Example")
        yield key >> 3, at, end
        start = end
    raise ValueError(f"it has more than {_MOST_FIELDS:,} fields or values")


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while shift < 70:
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7
    raise ValueError("it is no tf.train.Example")


def _integers(file: BinaryIO, start: int, stop: int) -> list[int]:
    """A list of int64, packed or not."""
    if stop - start > 10 * _MOST_FIELDS:
        raise ValueError(f"it has more than {_MOST_FIELDS:,} values in a list")
    found = []
    for _, at, end in _numbered(file, start, stop, 1):
        file.seek(at)
        while file.tell() < end:
            value = _varint(file) & (2**64 - 1)
            found.append(value - 2**64 if value >= 2**63 else value)
    return found


def _texts(file: BinaryIO, start: int, stop: int) -> list[bytes]:
    return [_read(file, at, end) for _, at, end in _numbered(file, start, stop, 1)]


def _read(file: BinaryIO, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)
