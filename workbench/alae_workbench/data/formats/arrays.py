"""Images and labels in .npz and .npy files, limited to the size that the file makes plausible."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Names
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from alae_core._support.files import open_regular
from alae_core._support.text import short_repr
from alae_workbench.data.formats.array_names import Roles, find_roles
from alae_workbench.data.label_ways import NONE
from alae_workbench.data.labels import Labels, convert_label_array
from alae_workbench.data.memory import Arrays
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.ranges import convert_arrays
from alae_workbench.data.source import DataError, Splits, describe_error
from alae_workbench.data.wrong_content import explain_no_zip

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


def read_array_file(path: Path, options: SourceOptions = DEFAULTS) -> Splits:
    """Read images, and labels if there are any, from an .npz or .npy file; `array_names` decides which arrays they are.

    Raises DataError as `open_arrays` and `convert_arrays`, if no array can be identified as images, or if the chosen
    labels cannot be used.
    """
    arrays = open_arrays(path)
    if not any(len(array.shape) in (3, 4) for array in arrays.values()):
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise DataError(
                    f"{path} cannot be read as an .npz of plain arrays: {short_repr(name)} holds Python objects; store "
                    f"images of one size with numpy.save('images.npy', numpy.stack(images)), others as picture files"
                )
    return read_roles(path, arrays, find_roles(get_shapes(arrays), path, options), options)


def read_roles(
    path: Path, arrays: Mapping[str, "StoredArray"], roles: Roles, options: SourceOptions, size: int | None = None
) -> Splits:
    """Read the images and labels among the arrays of a file, or of a folder with files of `size` bytes.

    Raises DataError as `convert_arrays`, if an array cannot be read, or if the chosen labels cannot be used.
    """
    wanted = [roles.images, *roles.test_images]
    size = path.stat().st_size if size is None else size
    _require_plausible_arrays(path, arrays, wanted, size)
    try:
        (train, *tests), interpretation, value_range = convert_arrays(
            *(arrays[name].read() for name in wanted), stated=options.range, hint=options.wide_range
        )
        labels = _read_labels(path, arrays, [roles.labels], len(train), options, size)
        test_labels = _read_labels(path, arrays, roles.test_labels, sum(map(len, tests)), SourceOptions(), size)
        if roles.unused:
            unused = f"arrays not used: {', '.join(map(short_repr, roles.unused[:10]))}"
            labels = replace(labels, notes=(*labels.notes, unused))
        if (
            labels.values is None
            or test_labels.values is None
            or labels.values.shape[1:] != test_labels.values.shape[1:]
        ):
            test_labels = Labels()
        test = None
        if tests:
            pixels = np.concatenate(tests) if len(tests) > 1 else tests[0]
            test = Arrays(pixels, test_labels.values, None, labels.names, str(test_labels))
        images = Arrays(train, labels.values, None, labels.names, str(labels))
        return Splits(images, test, interpretation=interpretation, value_range=value_range)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as an .npz of plain arrays: {describe_error(error)}") from error


def _read_labels(
    path: Path,
    arrays: Mapping[str, "StoredArray"],
    names: Sequence[str | None],
    count: int,
    options: SourceOptions,
    size: int,
) -> Labels:
    """Read labels from an array, or from several that belong together; without values if they cannot be used."""
    present = [name for name in names if name]
    if not present or len(present) < len(names):
        return Labels(notes=("as requested",) if options.labels == NONE else ())
    try:
        _require_plausible_arrays(path, arrays, present, size)
        parts = [arrays[name].read() for name in present]
        values, label_names = convert_label_array(np.concatenate(parts) if len(parts) > 1 else parts[0], count)
        return Labels(values, label_names, f"'{present[0]}'", tuple(filter(None, [arrays[present[0]].note])))
    except (DataError, *_BROKEN) as error:
        if options.labels is not None:
            raise DataError(
                f"the labels {short_repr(options.labels)} cannot be used: {describe_error(error)}"
            ) from error
        return Labels(notes=(f"found {short_repr(present[0])}, not used: {describe_error(error)}",))


@dataclass(frozen=True)
class StoredArray:
    """An array in a file: its shape and type from its header, and a function that reads it.

    Attributes:
        shape, dtype: of the array.
        read: reads it. Raises ValueError if it holds Python objects, and the exceptions of damaged files.
        note: how its values differ from those in the file, for messages; "" if they do not.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]
    note: str = ""


def get_shapes(arrays: Mapping[str, StoredArray]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of arrays by name."""
    return {name: array.shape for name, array in arrays.items()}


def open_arrays(path: Path) -> dict[str, StoredArray]:
    """Open the arrays of an .npz file by name, or an .npy file as `images`; the content decides, not the ending.

    Only headers are read.

    Raises DataError if the file or a header cannot be read.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            if not size:
                raise DataError(f"{path} is empty")
            if file.read(6) == b"\x93NUMPY":
                file.seek(0)
                return {"images": _open_npy(file, size, partial(_read_whole, path, None, size))}
            arrays = {}
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    name = member.filename.removesuffix(".npy")
                    with archive.open(member) as content:
                        read = partial(_read_whole, path, member.filename, member.file_size)
                        arrays[name] = _open_npy(content, member.file_size, read)
            return arrays
    except DataError:
        raise
    except _BROKEN as error:
        fault = explain_no_zip(path, "npz") or describe_error(error)
        raise DataError(f"{path} cannot be read as an .npz of plain arrays: {fault}") from error


def read_arrays(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read arrays of an .npz file by name, by default all, or an .npy file as `images`; the content decides, not the
    ending.

    Raises DataError if it cannot be read, holds anything but plain arrays, or unpacks to far more than its size.
    """
    arrays = open_arrays(path)
    names = list(arrays) if names is None else names
    _require_plausible_arrays(path, arrays, names, path.stat().st_size)
    try:
        return {name: arrays[name].read() for name in names}
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as an .npz of plain arrays: {describe_error(error)}") from error


def _require_plausible_arrays(path: Path, arrays: Mapping[str, StoredArray], names: Sequence[str], size: int) -> None:
    unpacked = sum(prod(arrays[name].shape) * arrays[name].dtype.itemsize for name in names)
    try:
        require_plausible_size(path, unpacked, size)
    except DataError as error:
        names = ", ".join(f"{name}=f[{name!r}]" if name.isidentifier() else f"images=f[{name!r:.80}]" for name in names)
        raise DataError(
            f"{error}: if you trust the file, store its arrays uncompressed, as in f = numpy.load(…); "
            f"numpy.savez('new.npz', {names[:200]})"
        ) from error


def require_plausible_size(path: Path, unpacked: int, size: int) -> None:
    """Raise DataError if a file of `size` bytes claims to unpack to more than 1 GiB and 10 times its size."""
    most = max(_MOST_BYTES, _MOST_TIMES * size)
    if unpacked > most:
        raise DataError(
            f"{path} has {size:,} bytes and claims to unpack to {unpacked:,}; at most {most:,} are accepted"
        )


def _read_whole(path: Path, member: str | None, length: int) -> np.ndarray:
    with open_regular(path) as file:
        if member is None:
            return _read_npy(file, length)
        with zipfile.ZipFile(file) as archive, archive.open(member) as content:
            return _read_npy(content, length)


def _open_npy(file: IO[bytes], length: int, read: Callable[[], np.ndarray]) -> StoredArray:
    shape, _, dtype = _read_npy_header(file)
    _require_length(shape, dtype, length)
    return StoredArray(shape, dtype, read)


def _read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    major, _ = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read_header(file)
    if any(axis < 0 for axis in shape):
        raise ValueError(f"its header says that its shape is {shape}")
    return shape, columns_first, dtype


def _require_length(shape: tuple[int, ...], dtype: np.dtype, length: int) -> int:
    """Return the number of bytes that a header promises. Raises ValueError if `length` bytes are fewer."""
    promised = prod(shape) * dtype.itemsize
    # Python objects are pickled, so they have another length.
    if promised > length and not dtype.hasobject:
        raise ValueError(f"its header promises {promised:,} bytes, but there are {length:,}")
    return promised


def _read_npy(file: IO[bytes], length: int) -> np.ndarray:
    """Read an array from .npy content of `length` bytes."""
    shape, columns_first, dtype = _read_npy_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    promised = _require_length(shape, dtype, length)
    content = file.read(promised)
    if len(content) < promised:
        raise ValueError(f"its header promises {promised:,} bytes, but {len(content):,} follow")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if columns_first else "C")
