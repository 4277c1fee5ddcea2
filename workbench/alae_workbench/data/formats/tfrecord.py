"""TFRecords of images as StyleGAN and ALAE prepared them, with a set of files for each resolution."""

import re
from collections.abc import Collection as Names
from collections.abc import Iterator
from functools import cache, partial
from math import prod
from pathlib import Path, PurePosixPath
from struct import Struct
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from alae_core._support.files import open_regular
from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.arrays import read_arrays
from alae_workbench.data.labels import Labels, merge_one_hot, number_texts
from alae_workbench.data.picture_file import Member
from alae_workbench.data.source import DataError, describe_error, format_shape

# NAME-r10.tfrecords holds images of 2^10 pixels a side, NAME-r10.tfrecords.003 a part of them; -r10 is optional.
_NAME = re.compile(r"(?P<name>[^.].*?)(-r(?P<level>\d{1,2}))?\.tfrecords?([.-].*)?")
# Maximum bytes of a record: an image of 4096×4096 in colour. Parsed, a malicious record takes up to 30 times as much.
_MOST_BYTES = 2**26
# Maximum values of a label.
_MOST_VALUES = 2**10
# A record is its length and the length's checksum, the content, and the content's checksum.
_HEADER, _CHECKSUM = Struct("<QI"), Struct("<I")


def is_tfrecord(path: Path, names: Names[str]) -> bool:
    """Whether a path is a TFRecord, or a folder that contains `names` holds one."""
    return any(map(_NAME.fullmatch, names or [path.name]))


def list_tfrecords(path: Path) -> Collection:
    """List the images in a TFRecord, or in those of the highest resolution in a folder, in the order of the records.

    Each record is a tf.train.Example with the features `data`, bytes; `shape`, either (C, H, W), (H, W, C) or (H, W);
    and optionally `label`, integers or a text. A file NAME-rxx.labels beside them is an .npy of class numbers, one-hot
    rows or attributes. Checksums of lengths are verified here, those of images when they are read.

    Raises:
        DataError: a file cannot be read, is truncated or has a wrong checksum; or the folder holds several data sets.
    """
    files = _select_highest(path) if path.is_dir() else [path]
    file_numbers, offsets, lengths = [], [], []
    labels: list[list[int] | list[bytes]] = []
    for number, file in enumerate(files):
        try:
            with open_regular(file) as content:
                records = list(_list_records(content))
                labels += _read_labels(content, records)
        except (OSError, ValueError) as error:
            raise DataError(f"{file} cannot be read as a TFRecord: {describe_error(error)}") from error
        file_numbers += [number] * len(records)
        offsets += [offset for offset, _ in records]
        lengths += [length for _, length in records]
    if not offsets:
        raise DataError(f"there are no images in {path}: its TFRecords are empty")
    index = np.array([file_numbers, offsets, lengths], np.int64).T
    label_file = _find_label_file(files[0])
    numbers: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    if label_file:
        numbers = _read_label_file(label_file, len(index))
    elif labels:
        if len(labels) != len(index):
            raise DataError(f"{path}: {len(labels):,} of {len(index):,} records have a label; give all or none a label")
        numbers, label_names = _to_classes(path, labels)
    stored = [*files, *([label_file] if label_file and label_file.is_relative_to(path) else [])]
    members = LazySequence(len(index), partial(_make_member, files, index))
    text = str(Labels(numbers, label_names, label_file.name if label_file else "the feature 'label'"))
    return Collection(members, LazySequence(len(index), str), numbers, label_names, stored, text)


def _select_highest(folder: Path) -> list[Path]:
    """Select the TFRecords of the highest resolution, and those without one in their name, sorted by name."""
    matches = {file: match for file in sorted(folder.iterdir()) if (match := _NAME.fullmatch(file.name))}
    highest = max((int(match["level"]) for match in matches.values() if match["level"]), default=0)
    selected = {file: match for file, match in matches.items() if int(match["level"] or highest) == highest}
    names = sorted({match["name"] for match in selected.values() if match["level"]})
    if len(names) > 1:
        raise DataError(
            f"{folder} has TFRecords of several data sets, such as {names[0]} and {names[1]}: give a folder of one, or "
            f"a file"
        )
    return list(selected)


def _list_records(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Iterate over the offset and the length of each record's content."""
    size = file.seek(0, 2)
    number, start = 0, file.seek(0)
    while start < size:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise ValueError(f"it ends within the header of record {number:,}")
        length, checksum = _HEADER.unpack(header)
        if _mask_checksum(header[:8]) != checksum:
            raise ValueError(f"the checksum of the length of record {number:,} is wrong")
        end = start + _HEADER.size + length + _CHECKSUM.size
        if end > size:
            raise ValueError(f"record {number:,} has {length:,} bytes, but the file ends within it")
        if length > _MOST_BYTES:
            raise ValueError(f"record {number:,} has {length:,} bytes; a record may have at most {_MOST_BYTES:,}")
        yield start + _HEADER.size, length
        number, start = number + 1, file.seek(end)


def _mask_checksum(content: bytes) -> int:
    """Return the CRC-32C of some bytes, rotated and offset as TFRecords store it."""
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _make_member(files: list[Path], index: np.ndarray, number: int) -> Member:
    file_number, offset, length = map(int, index[number])
    file = files[file_number]
    return Member(file, PurePosixPath(str(number)), partial(_read_pixels, file, offset, length))


def _read_pixels(path: Path, offset: int, length: int) -> np.ndarray:
    """Read the image in a record: (H, W) or (H, W, 3)."""
    with open_regular(path) as file:
        file.seek(offset)
        content = file.read(length + _CHECKSUM.size)
    if len(content) < length + _CHECKSUM.size:
        raise EOFError("the file ends within it")
    content, checksum = content[:length], content[length:]
    if _mask_checksum(content) != _CHECKSUM.unpack(checksum)[0]:
        raise ValueError("its checksum does not match its content")
    features = _parse_example(content)
    data, shape = features["data"].bytes_list.value, features["shape"].int64_list.value
    if len(data) != 1:
        raise ValueError("it has no feature 'data' of bytes")
    if not shape:
        raise ValueError("it has no feature 'shape' of integers")
    if len(shape) not in (2, 3) or not all(1 <= axis <= 2**16 for axis in shape):
        raise ValueError(f"its shape is {list(shape[:10])}; images have 2 or 3 axes")
    if len(data[0]) != prod(shape):
        raise ValueError(f"its shape of {format_shape(shape)} requires {prod(shape):,} bytes, not {len(data[0]):,}")
    pixels = np.frombuffer(data[0], np.uint8).reshape(shape)
    if pixels.ndim == 3:
        if shape[0] in (1, 3):
            pixels = pixels.transpose(1, 2, 0)
        elif shape[2] not in (1, 3):
            raise ValueError(f"its shape is {format_shape(shape)}; images have 1 or 3 channels")
        if pixels.shape[2] == 1:
            pixels = pixels[..., 0]
    return np.ascontiguousarray(pixels)


def _read_labels(file: BinaryIO, records: list[tuple[int, int]]) -> Iterator[list[int] | list[bytes]]:
    """Iterate over the labels of records, up to the first record without one."""
    for offset, length in records:
        file.seek(offset)
        label = _parse_example(file.read(length))["label"]
        kind = label.WhichOneof("kind")
        if kind is None:
            return
        values = getattr(label, kind).value
        if len(values) > _MOST_VALUES:
            raise ValueError(f"a label has {len(values):,} values; it may have at most {_MOST_VALUES:,}")
        yield list(values)


def _to_classes(path: Path, labels: list[list[int] | list[bytes]]) -> tuple[np.ndarray, tuple[str, ...]]:
    flat = [values[0] for values in labels if len(values) == 1]
    if len(flat) == len(labels) and all(isinstance(value, bytes) for value in flat):
        return number_texts([value.decode("utf-8", "backslashreplace") for value in flat if isinstance(value, bytes)])
    kinds = {(len(values), *map(type, values[:1])) for values in labels}
    if len(kinds) > 1 or not labels[0] or isinstance(labels[0][0], bytes):
        raise DataError(f"{path}: labels must be one text, or the same number of integers in each record")
    return merge_one_hot(np.array(labels)), ()


def _find_label_file(file: Path) -> Path | None:
    match = _NAME.fullmatch(file.name)
    label_file = match and file.with_name(f"{match['name']}-rxx.labels")
    return label_file if label_file and label_file.exists() else None


def _read_label_file(file: Path, count: int) -> np.ndarray:
    labels = read_arrays(file).get("images")
    if labels is None or labels.ndim not in (1, 2) or len(labels) != count:
        content = "several arrays" if labels is None else f"an array of shape {labels.shape}"
        raise DataError(f"{file} holds {content}, but there are {count:,} images")
    try:
        return merge_one_hot(labels)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def _parse_example(content: bytes) -> Any:
    """Parse a tf.train.Example and return its features by name. Raises ValueError if it is not one."""
    from google.protobuf.message import DecodeError

    example = _define_example()()
    try:
        example.ParseFromString(content)
    except DecodeError as error:
        raise ValueError("it is not a tf.train.Example") from error
    return example.features.feature


@cache
def _define_example() -> Any:
    """Define the messages of tensorflow/core/example/{example,feature}.proto that hold bytes and integers."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="alae_example.proto", package="alae", syntax="proto3")

    def add_field(message: Any, name: str, number: int, kind: int, of: str = "", repeated: bool = False) -> Any:
        label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
        of_type = {"type_name": f".alae.{of}"} if of else {}
        return message.field.add(name=name, number=number, label=label, type=kind, **of_type)

    for name, kind in (("BytesList", kinds.TYPE_BYTES), ("Int64List", kinds.TYPE_INT64)):
        add_field(file.message_type.add(name=name), "value", 1, kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    add_field(feature, "bytes_list", 1, kinds.TYPE_MESSAGE, "BytesList").oneof_index = 0
    add_field(feature, "int64_list", 3, kinds.TYPE_MESSAGE, "Int64List").oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    add_field(entry, "key", 1, kinds.TYPE_STRING)
    add_field(entry, "value", 2, kinds.TYPE_MESSAGE, "Feature")
    add_field(features, "feature", 1, kinds.TYPE_MESSAGE, "Features.FeatureEntry", repeated=True)
    add_field(file.message_type.add(name="Example"), "features", 1, kinds.TYPE_MESSAGE, "Features")
    # A separate pool, because TensorFlow registers its own messages in the default one.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("alae.Example"))
