"""IDX files, the format of MNIST: a folder of images and labels, packed by gzip or not."""

import gzip
import struct
import zlib
from collections.abc import Collection as Names
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from alae_core._support.files import open_regular
from alae_workbench.data.formats.arrays import describe_error, require_plausible_size
from alae_workbench.data.labels import Labels
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError, Splits, format_shape

#: the file that marks a folder as IDX
TRAINING_IMAGES = "train-images-idx3-ubyte"
_TEST_IMAGES = "t10k-images-idx3-ubyte"
_TRAINING_LABELS, _TEST_LABELS = "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"


def is_idx(path: Path, names: Names[str]) -> bool:
    """Whether a folder that contains `names` holds IDX files."""
    return TRAINING_IMAGES in names or f"{TRAINING_IMAGES}.gz" in names


def read_idx_folder(path: Path) -> Splits:
    """Read a folder of IDX files with the names of MNIST's.

    Raises DataError as `read_idx` does, or if the test images are missing.
    """
    parts = []
    for images, labels in ((TRAINING_IMAGES, _TRAINING_LABELS), (_TEST_IMAGES, _TEST_LABELS)):
        image_file, label_file = _find(path, images), _find(path, labels)
        if image_file is None:
            raise DataError(f"{path} has {TRAINING_IMAGES} but no {images} (or the same with .gz)")
        numbers = read_idx(label_file) if label_file else None
        text = str(Labels(numbers, origin=label_file.name if label_file else ""))
        parts.append(Arrays(read_idx(image_file), numbers, label_text=text))
    train, test = parts
    return Splits(train, test)


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of bytes with 1 to 4 axes, packed by gzip or not.

    Raises DataError if it cannot be read, is empty, or its header declares another number of bytes than follow.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _parse(path, gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file, size)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {describe_error(error)}") from error


def _find(path: Path, name: str) -> Path | None:
    return next((file for file in (path / name, path / f"{name}.gz") if file.is_file()), None)


def _parse(path: Path, file: IO[bytes] | gzip.GzipFile, size: int) -> np.ndarray:
    start = file.read(4)
    if not start:
        raise DataError(f"{path} is empty")
    if start[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is not an IDX file of bytes: it must start with 00 00 08, not {start[:3].hex(' ')!r}")
    axes = start[3] if len(start) == 4 else 0
    if len(start) == 4 and not 1 <= axes <= 4:
        raise DataError(f"the header of {path} says {axes} axes, but images have 3 or 4, and labels 1")
    header = file.read(4 * axes)
    if not axes or len(header) < 4 * axes:
        raise DataError(f"{path} is truncated: it ends within its header")
    shape = struct.unpack(f">{axes}I", header)
    promised = prod(shape)
    if not promised:
        raise DataError(f"{path} holds no values: its shape is {format_shape(shape)}")
    require_plausible_size(path, promised, size)
    # Reading one more byte shows whether the file ends there.
    content = file.read(promised + 1)
    if len(content) != promised:
        follow = f"only {len(content):,}" if len(content) < promised else "more"
        raise DataError(f"{path} is damaged: its header promises {format_shape(shape)} bytes, but {follow} follow")
    return np.frombuffer(content, np.uint8).reshape(shape)
