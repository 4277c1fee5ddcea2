"""MATLAB's .mat files of version 5, such as SVHN's: arrays of bytes, read without a library."""

import struct
import zlib
from collections.abc import Collection as Names
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import islice
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from alae_core._support.files import open_regular
from alae_core._support.text import short_repr
from alae_workbench.data.formats.array_names import find_roles
from alae_workbench.data.formats.arrays import StoredArray, get_shapes, read_roles, require_plausible_size
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.source import DataError, Splits, describe_error, format_shape

#: file name ending
ENDING = ".mat"
# SVHN's files of cropped digits; the third one, extra_32x32.mat, is read only if it is given itself.
_TRAIN, _TEST = "train_32x32.mat", "test_32x32.mat"
_SVHN_ZERO = 10
# Types of elements, and NumPy's types of numbers.
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
# Classes of arrays of numbers; others are texts, cells, structures and objects.
_NUMERIC = range(6, 16)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MOST_AXES, _MOST_ARRAYS = 8, 1000
_BROKEN = (OSError, ValueError, EOFError, zlib.error, struct.error, MemoryError, OverflowError)


def is_matlab(path: Path, names: Names[str]) -> bool:
    """Whether a path is a .mat file, or a folder that contains `names` holds SVHN's."""
    return _TRAIN in names or (path.suffix.lower() == ENDING and not path.is_dir())


def read_matlab(path: Path, options: SourceOptions = DEFAULTS) -> Splits:
    """Read images, and labels if there are any, from a .mat file or a folder of SVHN's; `array_names` finds them.

    Images have their number as the last axis, as MATLAB stores them. SVHN's label 10 is the digit 0.

    Raises DataError if a file cannot be read or is of another version, or has no images; it lists its arrays.
    """
    if not path.is_dir():
        return _read_file(path, options)
    train = _read_file(path / _TRAIN, options)
    test = _read_file(path / _TEST, options).images if (path / _TEST).is_file() else None
    return replace(train, test=test)


def _read_file(path: Path, options: SourceOptions) -> Splits:
    everything = _read_arrays(path)
    contents = {name: values for name, values in everything.items() if values is not None}
    others = [name for name in everything if name not in contents]
    arrays = {name: _store(path, values) for name, values in contents.items()}
    try:
        roles = find_roles(get_shapes(arrays), path, options)
    except DataError as error:
        found = ", ".join(f"{name} of {format_shape(values.shape)}" for name, values in list(contents.items())[:10])
        other = ", ".join(map(short_repr, others[:10]))
        rest = f"; structures, texts and the like are not read: {other}" if other else ""
        raise DataError(f"{error}; its arrays are {found or 'none'}{rest}") from error
    return read_roles(path, arrays, roles, options)


def _store(path: Path, values: np.ndarray) -> StoredArray:
    """Put the number of images first: MATLAB stores it last, and vectors as columns or rows."""
    note = ""
    if values.ndim in (3, 4):
        values = np.moveaxis(values, -1, 0)
    elif values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
        if path.name.endswith("_32x32.mat") and values.size and values.min() >= 1 and values.max() == _SVHN_ZERO:
            values, note = values % _SVHN_ZERO, f"its label {_SVHN_ZERO} is the digit 0"
    return StoredArray(values.shape, values.dtype, partial(np.ascontiguousarray, values), note)


def _read_arrays(path: Path) -> dict[str, np.ndarray | None]:
    """Read the arrays of numbers in a .mat file, and None for others. Raises DataError if it cannot be read."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            header = file.read(128)
            if header[:8] == _HDF5 or header.startswith(b"MATLAB 7.3"):
                raise DataError(
                    f"{path} is a .mat file of version 7.3 (HDF5), which cannot be read: save it in MATLAB with "
                    f"save(…, '-v7'), or convert it to .npz"
                )
            if len(header) < 128 or header[126:128] not in (b"IM", b"MI"):
                raise DataError(f"{path} is not a .mat file of version 5")
            if header[126:128] == b"MI":
                raise DataError(f"{path} is a .mat file of a big-endian machine, which cannot be read: save it again")
            return dict(islice(_iterate_arrays(path, file, size), _MOST_ARRAYS))
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as a .mat file: {describe_error(error)}") from error


def _iterate_arrays(path: Path, file: IO[bytes], size: int) -> Iterator[tuple[str, np.ndarray | None]]:
    unpacked = 0
    while file.tell() < size:
        kind, length, small = _read_tag(file)
        if small or length > size - file.tell():
            raise ValueError(f"an element claims {length:,} bytes, but the file ends before")
        content = file.read(length)
        if kind == _COMPRESSED:
            content, kind = _decompress(path, content, size, unpacked)
        unpacked += len(content)
        if kind == _MATRIX:
            yield _parse_array(BytesIO(content), len(content))


def _decompress(path: Path, content: bytes, size: int, before: int) -> tuple[bytes, int]:
    """Unpack an element; return its content and its type."""
    unpacker = zlib.decompressobj()
    tag = unpacker.decompress(content, 8)
    kind, length = struct.unpack("<II", tag)
    require_plausible_size(path, before + length, size)
    # One more byte shows whether the content ends where it should.
    unpacked = unpacker.decompress(unpacker.unconsumed_tail, length + 1)
    if len(unpacked) != length:
        raise ValueError(f"a compressed element claims {length:,} bytes, but has others")
    return unpacked, kind


def _read_tag(file: IO[bytes]) -> tuple[int, int, bytes]:
    """Read the type and length of an element, and its content if it is stored in the tag itself."""
    tag = file.read(8)
    kind, length = struct.unpack("<II", tag)
    if kind >> 16:
        return kind & 0xFFFF, min(kind >> 16, 4), tag[4 : 4 + min(kind >> 16, 4)]
    return kind, length, b""


def _read_element(file: IO[bytes], most: int) -> tuple[int, bytes]:
    kind, length, small = _read_tag(file)
    if small:
        return kind, small
    if length > most:
        raise ValueError(f"an element claims {length:,} bytes, more than the array that holds it")
    content = file.read(length)
    if len(content) < length:
        raise EOFError("it ends within an element")
    # Elements begin at multiples of eight bytes.
    file.read(-length % 8)
    return kind, content


def _parse_array(file: IO[bytes], length: int) -> tuple[str, np.ndarray | None]:
    """Parse an array and its name; None for arrays that do not hold real numbers."""
    _, flags = _read_element(file, length)
    _, axes = _read_element(file, length)
    _, name = _read_element(file, length)
    title, shape = name.decode("latin-1"), tuple(np.frombuffer(axes[: len(axes) // 4 * 4], "<i4").tolist())
    is_complex = len(flags) > 1 and bool(flags[1] & 8)
    if not flags or flags[0] not in _NUMERIC or is_complex or not 1 <= len(shape) <= _MOST_AXES or min(shape) < 0:
        return title, None
    kind, content = _read_element(file, length)
    if kind not in _NUMBERS:
        raise ValueError(f"an array has numbers of the unknown type {kind}")
    # MATLAB stores numbers in the smallest type that holds them.
    stored = np.dtype(f"<{_NUMBERS[kind]}")
    if len(content) != prod(shape) * stored.itemsize:
        raise ValueError(f"an array of {format_shape(shape)} has {len(content):,} bytes")
    return title, np.frombuffer(content, stored).reshape(shape, order="F")
