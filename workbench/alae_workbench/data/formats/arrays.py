"""Images and labels in .npz and .npy files, limited to the size that the file makes plausible."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Collection as Names
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from alae_core._support.files import open_regular
from alae_workbench.data.memory import Arrays
from alae_workbench.data.ranges import as_pixels
from alae_workbench.data.source import DataError, Splits

#: file name endings of arrays
ARRAYS = (".npz", ".npy")
# Maximum size of unpacked content: this many bytes, or this many times the size of the file if that is more.
_MOST_BYTES, _MOST_TIMES = 2**30, 10
_BROKEN = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, RuntimeError, OverflowError),
    # NumPy parses headers with Python's parser, so all exceptions of that parser can occur.
    *(struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile, TokenError, MemoryError),
)


def is_array_file(path: Path, names: Names[str]) -> bool:
    """Whether a path has the ending of an .npz or .npy file."""
    return path.suffix in ARRAYS and not path.is_dir()


def read_array_file(path: Path) -> Splits:
    """Read images, and labels if there are any, from an .npz or .npy file.

    Images are the arrays `x_train` and `x_test` (labels: `y_train`, `y_test`), or `images` (labels: `labels`), or
    `x_train` alone, or the only array of 3 or 4 axes.

    Raises DataError as `read_arrays` and `as_pixels`, or if no array can be identified as images.
    """
    arrays = read_arrays(path)
    image_like = [name for name, array in arrays.items() if array.ndim in (3, 4)]
    try:
        if "x_train" in arrays and "x_test" in arrays:
            (train, test), interpretation = as_pixels(arrays["x_train"], arrays["x_test"])
            return Splits(
                Arrays(train, arrays.get("y_train")),
                Arrays(test, arrays.get("y_test")),
                interpretation=interpretation,
            )
        # np.savez(path, images) names its only array arr_0; other writers choose other names.
        single = [(name, "") for name in image_like if len(image_like) == 1]
        candidates = [("images", "labels"), ("x_train", "y_train"), *single]
        for images, labels in candidates:
            if images in arrays:
                (pixels,), interpretation = as_pixels(arrays[images])
                return Splits(Arrays(pixels, arrays.get(labels)), interpretation=interpretation)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    raise DataError(
        f"{path} must hold 'images' (and optionally 'labels'), 'x_train' (and optionally 'x_test'), or a single array "
        f"of images; it holds {', '.join(arrays) or 'nothing'}"
    )


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file by name, or an .npy file as `images`; the content decides, not the ending.

    Raises DataError if it cannot be read, holds anything but plain arrays, or unpacks to far more than its size.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            if not size:
                raise DataError(f"{path} is empty")
            if file.read(6) == b"\x93NUMPY":
                file.seek(0)
                return {"images": _read_npy(file, size)}
            with zipfile.ZipFile(file) as archive:
                members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
                require_plausible_size(path, sum(member.file_size for member in members.values()), size)
                arrays = {}
                for name, member in members.items():
                    with archive.open(member) as content:
                        arrays[name] = _read_npy(content, member.file_size)
                return arrays
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as an .npz of plain arrays: {describe_error(error)}") from error


def require_plausible_size(path: Path, unpacked: int, size: int) -> None:
    """Raise DataError if a file of `size` bytes claims to unpack to more than 1 GiB and 10 times its size."""
    most = max(_MOST_BYTES, _MOST_TIMES * size)
    if unpacked > most:
        raise DataError(
            f"{path} has {size:,} bytes and claims to unpack to {unpacked:,}; at most {most:,} are accepted"
        )


def describe_error(error: Exception) -> str:
    """Return an exception's reason as text, or its type's name if it has none."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _read_npy(file: IO[bytes], length: int) -> np.ndarray:
    """Read an array from .npy content of `length` bytes."""
    major, _ = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if any(axis < 0 for axis in shape):
        raise ValueError(f"its header says that its shape is {shape}")
    promised = prod(shape) * dtype.itemsize
    if promised > length:
        raise ValueError(f"its header promises {promised:,} bytes, but there are {length:,}")
    content = file.read(promised)
    if len(content) < promised:
        raise ValueError(f"its header promises {promised:,} bytes, but {len(content):,} follow")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if columns_first else "C")
