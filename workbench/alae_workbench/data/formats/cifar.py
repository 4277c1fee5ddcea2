"""CIFAR-10 and CIFAR-100 as their site ships them: Python's pickles, which are never executed, or binary records."""

from collections.abc import Callable, Sequence
from collections.abc import Collection as Names
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alae_core._support.files import read_regular
from alae_workbench.data.formats.pickles import PickleError, read_pickled_arrays
from alae_workbench.data.label_choice import choose_name
from alae_workbench.data.labels import Labels, as_labels
from alae_workbench.data.listing import list_names
from alae_workbench.data.memory import Arrays
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.ranges import convert_arrays
from alae_workbench.data.source import DataError, Splits, describe_error

_SIDE, _PIXELS = 32, 3 * 32 * 32
# A batch of CIFAR-100 has 50,000 images, of 155 MB.
_MOST_BYTES = 2**28


class _Layout(NamedTuple):
    """The files of one of the four downloads.

    Attributes:
        folder: the name of the folder in the download.
        train, test: files of images.
        names: the file of the names of classes.
        labels: the labels of each image, the usual ones first: the keys of pickles, or the bytes of binary records.
    """

    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    labels: tuple[str, ...]

    @property
    def is_binary(self) -> bool:
        return self.test.endswith(".bin")


_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_LAYOUTS = (
    _Layout("cifar-10-batches-py", _BATCHES, "test_batch", "batches.meta", ("labels",)),
    _Layout("cifar-100-python", ("train",), "test", "meta", ("fine_labels", "coarse_labels")),
    _Layout(
        "cifar-10-batches-bin",
        tuple(f"{name}.bin" for name in _BATCHES),
        "test_batch.bin",
        "batches.meta.txt",
        ("labels",),
    ),
    _Layout("cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", ("fine_labels", "coarse_labels")),
)


def is_cifar(path: Path, names: Names[str]) -> bool:
    """Whether a folder that contains `names` holds the files of CIFAR-10 or CIFAR-100, or the folder with them."""
    return _find(path, names) is not None


def read_cifar(path: Path, options: SourceOptions = DEFAULTS) -> Splits:
    """Read CIFAR-10 or CIFAR-100; of its labels `coarse_labels` can be chosen instead of `fine_labels`.

    Raises DataError if a file is missing, cannot be read or is not of this format, or lacks the chosen labels.
    """
    folder, layout = _find(path, list_names(path)) or (path, _LAYOUTS[0])
    options.refuse_choice(path, "images")
    kind = choose_name(layout.labels, options.labels) if options.labels is not None else layout.labels[0]
    read = _read_records if layout.is_binary else _read_pickle
    label_names = _read_names(folder, layout, kind) if kind else ()
    pixels, labels = [], []
    for files in (layout.train, (layout.test,)):
        parts = [_attempt(folder / name, lambda content: read(content, layout, kind)) for name in files]
        pixels.append(np.concatenate([images for images, _ in parts]))
        labels.append(as_labels(np.concatenate([values for _, values in parts])) if kind else None)
    images, interpretation, _ = convert_arrays(*pixels, stated=options.range)
    train, test = (
        Arrays(part, values, label_names=label_names, label_text=_describe(values, kind))
        for part, values in zip(images, labels, strict=True)
    )
    return Splits(train, test, interpretation=interpretation)


def _describe(values: np.ndarray | None, kind: str | None) -> str:
    return str(Labels(values, origin=f"'{kind}'", notes=() if kind else ("as requested",)))


def _find(path: Path, names: Names[str]) -> tuple[Path, _Layout] | None:
    for layout in _LAYOUTS:
        marked = layout.names in names or layout.train[0].startswith(_BATCHES[0])
        # A folder of pictures may have the folders train and test.
        if marked and {layout.train[0], layout.test}.issubset(names) and not (path / layout.test).is_dir():
            return path, layout
    inside = [layout for layout in _LAYOUTS if layout.folder in names and (path / layout.folder).is_dir()]
    if len(inside) == 1 and inside[0].test in list_names(path / inside[0].folder):
        return path / inside[0].folder, inside[0]
    return None


def _attempt(file: Path, read: Callable[[bytes], Any]) -> Any:
    try:
        return read(read_regular(file, _MOST_BYTES))
    except (OSError, ValueError, PickleError) as error:
        raise DataError(f"{file} cannot be read as a file of CIFAR: {describe_error(error)}") from error


def _read_pickle(content: bytes, layout: _Layout, kind: str | None) -> tuple[np.ndarray, np.ndarray]:
    batch = read_pickled_arrays(content, "u1")
    pixels = batch.get("data") if isinstance(batch, dict) else None
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        raise ValueError(f"it must hold 'data', an array of rows of {_PIXELS:,} bytes")
    values = batch.get(kind, []) if kind else []
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value < 256 for value in values):
        raise ValueError(f"{kind!r} must be a list of class numbers")
    if kind and len(values) != len(pixels):
        raise ValueError(f"there are {len(pixels):,} images, but {len(values):,} labels in {kind!r}")
    return _to_images(pixels), np.array(values, np.int64)


def _read_records(content: bytes, layout: _Layout, kind: str | None) -> tuple[np.ndarray, np.ndarray]:
    length = len(layout.labels) + _PIXELS
    if not content or len(content) % length:
        raise ValueError(f"it has {len(content):,} bytes, which is not a multiple of {length:,}")
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    # The coarse label comes first in a record.
    column = layout.labels[::-1].index(kind) if kind else 0
    return _to_images(records[:, len(layout.labels) :]), records[:, column].astype(np.int64)


def _to_images(rows: np.ndarray) -> np.ndarray:
    """Convert rows of bytes, the red rows of an image first, to (count, 32, 32, 3)."""
    return np.ascontiguousarray(rows.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))


def _read_names(folder: Path, layout: _Layout, kind: str) -> tuple[str, ...]:
    """Read the names of classes; () if their file is missing or holds something else."""
    words: Sequence[Any]
    try:
        if layout.is_binary:
            name = layout.names.replace("fine_labels", kind).replace("fine_label", kind.removesuffix("s"))
            words = read_regular(folder / name, _MOST_BYTES).decode().split()
        else:
            key = "label_names" if kind == "labels" else f"{kind.removesuffix('s')}_names"
            words = read_pickled_arrays(read_regular(folder / layout.names, _MOST_BYTES), "u1")[key]
            words = words if isinstance(words, list) else []
    except (OSError, ValueError, PickleError, LookupError, TypeError):
        return ()
    words = [word.decode("latin-1") if isinstance(word, bytes) else word for word in words]
    return tuple(words) if all(isinstance(word, str) for word in words) else ()
