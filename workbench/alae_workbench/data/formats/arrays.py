"""Images and labels stored as arrays: IDX files, .npz and .npy, believed only as far as the file bears them out."""

import gzip
import lzma
import struct
import zipfile
import zlib
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from alae_core._support.files import open_regular
from alae_workbench.data.source import DataError, by

# What a file may become when it is unpacked: so many bytes, or times its own size, whichever is more.
_MOST_BYTES, _MOST_TIMES = 2**30, 10
_BROKEN = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, RuntimeError, OverflowError),
    # NumPy reads a header as Python's parser does, and raises what that raises.
    *(struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile, TokenError, MemoryError),
)


def read_idx(path: Path) -> np.ndarray:
    """The bytes of an IDX file, packed by gzip or not, in their shape of 1 to 4 axes.

    Raises DataError where it cannot be read, holds nothing, or its header promises another number of bytes than follow.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _idx(path, gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file, size)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {_reason(error)}") from error


def _idx(path: Path, file: IO[bytes] | gzip.GzipFile, size: int) -> np.ndarray:
    start = file.read(4)
    if not start:
        raise DataError(f"{path} is empty")
    if start[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is no IDX file of bytes: it must start with 00 00 08, not {start[:3].hex(' ')!r}")
    axes = start[3] if len(start) == 4 else 0
    if len(start) == 4 and not 1 <= axes <= 4:
        raise DataError(f"{path} says that it has {axes} axes, but images have 3 or 4, and labels one")
    header = file.read(4 * axes)
    if not axes or len(header) < 4 * axes:
        raise DataError(f"{path} is cut short: it ends within its header")
    shape = struct.unpack(f">{axes}I", header)
    promised = prod(shape)
    if not promised:
        raise DataError(f"{path} holds nothing: its shape is {by(shape)}")
    _require_room(path, promised, size)
    # One byte more than promised tells whether it ends there.
    content = file.read(promised + 1)
    if len(content) != promised:
        follow = f"only {len(content):,}" if len(content) < promised else "more"
        raise DataError(f"{path} is damaged: its header promises {by(shape)} bytes, but {follow} follow")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name, or the one of an .npy as `images`; content decides, not the name.

    Raises DataError where it cannot be read, holds anything but plain arrays, or unpacks to far more than its size.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            if not size:
                raise DataError(f"{path} is empty")
            if file.read(6) == b"\x93NUMPY":
                file.seek(0)
                return {"images": _npy(path, file, size, size)}
            with zipfile.ZipFile(file) as archive:
                members = {each.filename.removesuffix(".npy"): each for each in archive.infolist()}
                _require_room(path, sum(each.file_size for each in members.values()), size)
                found = {}
                for name, member in members.items():
                    with archive.open(member) as content:
                        found[name] = _npy(path, content, member.file_size, size)
                return found
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as an .npz of plain arrays: {_reason(error)}") from error


def _npy(path: Path, file: IO[bytes], length: int, size: int) -> np.ndarray:
    """The array in `length` bytes of .npy within a file of `size`."""
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if any(axis < 0 for axis in shape):
        raise ValueError(f"it says that its shape is {shape}")
    promised = prod(shape) * dtype.itemsize
    if promised > length:
        raise ValueError(f"its header promises {promised:,} bytes, but there are {length:,}")
    content = file.read(promised)
    if len(content) < promised:
        raise ValueError(f"its header promises {promised:,} bytes, but {len(content):,} follow")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if columns_first else "C")


def _require_room(path: Path, unpacked: int, size: int) -> None:
    most = max(_MOST_BYTES, _MOST_TIMES * size)
    if unpacked > most:
        raise DataError(
            f"{path} of {size:,} bytes says that it becomes {unpacked:,}, but {most:,} at the most are believed of it"
        )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
