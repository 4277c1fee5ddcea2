"""IDX files, the format of MNIST and its relatives: images and labels, packed by gzip or not."""

import gzip
import re
import struct
import zlib
from collections.abc import Collection as Names
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from alae_core._support.files import open_regular
from alae_workbench.data.formats.arrays import require_plausible_size
from alae_workbench.data.labels import Labels
from alae_workbench.data.listing import list_names
from alae_workbench.data.memory import Arrays
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.ranges import convert_arrays
from alae_workbench.data.source import DataError, Splits, describe_error, format_shape

#: the file that marks a folder as IDX
TRAINING_IMAGES = "train-images-idx3-ubyte"
# Kaggle writes a dot for the second hyphen; EMNIST puts the name of a data set first, and calls its test split "test".
_IMAGES = re.compile(r"(?P<set>[^/]*?)(?P<split>train|t10k|test)-images(?P<dot>[-.])idx3-ubyte(?P<gz>\.gz)?")
# The folder into which torchvision downloads, below one with the name of the data set, and that in EMNIST's archive.
_RAW = ("raw", "gzip")
# Maximum number of folders that are searched for it.
_MOST_FOLDERS = 20
# EMNIST stores columns of pixels instead of rows.
_TRANSPOSED = "emnist"


def is_idx(path: Path, names: Names[str]) -> bool:
    """Whether a path is an IDX file of images, or a folder that holds such files, or torchvision's folder above."""
    return bool(names or not path.is_dir()) and (
        _has_images(names or [path.name]) or _find_raw(path, names) is not None
    )


def read_idx_folder(path: Path, options: SourceOptions = DEFAULTS) -> Splits:
    """Read a folder of IDX files, or the data set that one of its files of images belongs to.

    `test` of the result is None if the file of test images is missing.

    Raises DataError as `read_idx` and `convert_arrays` do, or if there are no training images, or several data sets.
    """
    options.refuse_choice(path, "labels", "images")
    folder, given = path.parent, [path.name]
    if path.is_dir():
        names = list_names(path)
        folder, given = path if _has_images(names) else _find_raw(path, names) or path, []
    found: dict[str, dict[str, Path]] = {}
    for name in [*given, *sorted(list_names(folder))]:
        if match := _IMAGES.fullmatch(name):
            split = "train" if match["split"] == "train" else "test"
            found.setdefault(match["set"], {}).setdefault(split, folder / name)
    if given:
        found = {name: parts for name, parts in found.items() if name == _match(path)["set"]}
    if len(found) > 1:
        raise DataError(
            f"{folder} holds the IDX files of {len(found)} data sets: give a file of training images of one, such as "
            f"{', '.join(str(parts.get('train', folder)) for _, parts in sorted(found.items())[:2])}"
        )
    ((name, parts),) = found.items()
    if "train" not in parts:
        raise DataError(
            f"{folder} has {parts['test'].name} but no {name}train-images-idx3-ubyte (or the same with .gz)"
        )
    return _read_parts(name, [parts[split] for split in ("train", "test") if split in parts], options)


def _read_parts(name: str, files: list[Path], options: SourceOptions) -> Splits:
    pixels, interpretation, _ = convert_arrays(*(read_idx(file) for file in files), stated=options.range)
    transposed = name.lower().startswith(_TRANSPOSED)
    if transposed:
        pixels = [part.swapaxes(1, 2) for part in pixels]
        interpretation = ", ".join(filter(None, (interpretation, "rows for columns, as EMNIST stores them")))
    arrays = []
    for file, part in zip(files, pixels, strict=True):
        label_file = _find_labels(file)
        numbers = read_idx(label_file) if label_file else None
        text = str(Labels(numbers, origin=label_file.name if label_file else ""))
        arrays.append(Arrays(part, numbers, label_text=text))
    return Splits(arrays[0], arrays[1] if len(arrays) > 1 else None, interpretation=interpretation)


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of bytes with 1 to 4 axes, packed by gzip or not.

    Raises DataError if it cannot be read, is empty, or its header declares another number of bytes than follow.
    """
    try:
        # Kaggle's archives unpack to folders with the names of the files in them.
        with open_regular(path / path.name if path.is_dir() else path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            return _parse(path, gzip.GzipFile(fileobj=file) if packed else file, size)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {describe_error(error)}") from error


def _match(path: Path) -> re.Match[str]:
    match = _IMAGES.fullmatch(path.name)
    if not match:
        raise DataError(f"{path} is not a file of images, such as {TRAINING_IMAGES}")
    return match


def _has_images(names: Names[str]) -> bool:
    # Folders of pictures have many names, so only likely ones are matched.
    return any("-images" in name and _IMAGES.fullmatch(name) for name in names)


def _find_raw(path: Path, names: Names[str]) -> Path | None:
    """Return the folder of IDX files below `path`, such as MNIST/raw or raw; None if there is none, or several."""
    inside = [name for name in _RAW if name in names]
    if not inside and len(names) > _MOST_FOLDERS:
        return None
    candidates = [path / name for name in inside] or [path / name / raw for name in sorted(names) for raw in _RAW]
    found = [folder for folder in candidates if _has_images(_try_names(folder))]
    return found[0] if len(found) == 1 else None


def _try_names(folder: Path) -> list[str]:
    try:
        return list_names(folder)
    except DataError:
        return []


def _find_labels(images: Path) -> Path | None:
    """Return the file of labels beside a file of images, packed or not; None if there is none."""
    match = _match(images)
    for dot in (match["dot"], "-", "."):
        for gz in (match["gz"] or "", "", ".gz"):
            file = images.parent / f"{match['set']}{match['split']}-labels{dot}idx1-ubyte{gz}"
            if file.exists():
                return file
    return None


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
