"""Where images come from: named data sets, IDX folders, .npz files, and collections of pictures of every kind."""

import os
from collections.abc import Callable, Collection
from inspect import getattr_static
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alae_core._support.text import short_repr
from alae_core.config import Config
from alae_workbench.data.collection import Pictures, read_pictures
from alae_workbench.data.formats.archive import ARCHIVES, is_archive, pictures_in_archive
from alae_workbench.data.formats.arrays import read_arrays, read_idx
from alae_workbench.data.formats.folder import pictures_in_folder
from alae_workbench.data.formats.hub import HUB, is_hub, pictures_in_hub
from alae_workbench.data.formats.lmdb import is_lmdb, pictures_in_lmdb
from alae_workbench.data.formats.tfrecord import is_records, pictures_in_records
from alae_workbench.data.pictures import ENDINGS, read_image
from alae_workbench.data.prepared.reading import is_prepared, open_set
from alae_workbench.data.source import Arrays, DataError, DataSet, Fit, Source, as_pixels, by, framed, split

_IDX_IMAGES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
_IDX_LABELS = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}
# The data sets that Keras knows, and what each is called among its downloads.
_OF_KERAS = {"mnist": "mnist.npz", "fashion_mnist": "fashion-mnist", "cifar10": "cifar-10-batches-py"}

# Collections of pictures: whether a path is one, seeing the names inside where it is a folder, and what reads it.
# The first that fits is taken.
_COLLECTIONS: tuple[tuple[Callable[[Path, Collection[str]], bool], Callable[[Path], Pictures]], ...] = (
    (is_archive, pictures_in_archive),
    (is_records, pictures_in_records),
    (is_lmdb, pictures_in_lmdb),
    (is_hub, pictures_in_hub),
    (lambda path, inside: path.is_dir(), pictures_in_folder),
)


class _Found(NamedTuple):
    """What a name stands for: its images in their own order, and its own test split where it has one."""

    images: Source
    test: Source | None = None
    skipped: int = 0
    taken: str = ""


def load_data(
    name: str, config: Config, *, margin: int = 0, fit: Fit = "crop", held_out: float, skip_bad: bool = False
) -> DataSet:
    """The data set `name`, split for training.

    Args:
        name: one of `NAMED`, or the path of an IDX folder, an .npz or .npy file, a prepared set, or a collection of
            pictures (`pictures_in`).
        config: says the images' shape and how many labels there may be.
        margin: black pixels on each side of an image, within that shape.
        fit: what becomes of image files of another shape (`pictures.read_image`).
        held_out: how many images to keep out of training, or below 1 which share, where the data has no test split of
            its own.
        skip_bad: go on without the unreadable images of a folder instead of refusing them.

    Raises:
        DataError: there is no such data, it cannot be read, or its shape or labels do not fit the configuration.
    """
    found = _read(name, config, margin, fit, skip_bad, trained=False)
    if found.test is not None:
        return DataSet(found.images, found.test, found.skipped, found.taken)
    return DataSet(*split(found.images, held_out), found.skipped, found.taken)


def load_images(name: str, config: Config, *, margin: int = 0, fit: Fit = "crop") -> Source:
    """The images to look at in the data `name`, in their own order: its test split if it has one, else all of them.

    Raises DataError as `load_data` does, where any image is unreadable; `name` may be a single image file too.
    """
    path, is_folder = path_of(name)
    if is_folder is False and path.suffix.lower() in ENDINGS:
        image = read_image(path, _within(config, margin), fit)
        return _fitting(name, Arrays(image[None]), config, margin, trained=True)
    found = _read(name, config, margin, fit, skip_bad=False, trained=True)
    return found.images if found.test is None else found.test


def as_data_set(data: DataSet | Source | np.ndarray, config: Config, *, held_out: float, margin: int = 0) -> DataSet:
    """Images a person has in hand, as a data set that fits the configuration.

    Args:
        data: a data set, which is taken as it is; or a source, or an array of images (`source.as_pixels`), which are
            framed and split. Labels come with `Arrays(pixels, labels)`.
        config, held_out, margin: see `load_data`.

    Raises:
        DataError: `data` is none of these, or its shape or labels do not fit the configuration.
    """
    if isinstance(data, DataSet):
        return DataSet(
            _fitting("data.train", data.train, config),
            _fitting("data.held_out", data.held_out, config),
            data.skipped,
            data.taken,
        )
    taken = as_pixels(data)[1] if isinstance(data, np.ndarray) else ""
    return DataSet(*split(_fitting("data", as_source(data), config, margin), held_out), taken=taken)


def fitted(name: str, images: Source, config: Config, *, margin: int = 0) -> Source:
    """Images in hand to look at, in their frame; `name` is what messages call them.

    Raises DataError unless their shape and labels are what the configuration of a trained model says.
    """
    return _fitting(name, images, config, margin, trained=True)


def as_source(data: Source | np.ndarray) -> Source:
    """Images in hand as a source. Raises DataError where they are neither an array that `as_pixels` takes nor one."""
    source = Arrays(as_pixels(data)[0][0]) if isinstance(data, np.ndarray) else data
    # Not hasattr: it would take a fingerprint only to see that there is one.
    if any(getattr_static(source, name, None) is None for name in ("shape", "fingerprint", "images", "__len__")):
        raise DataError(
            f"data is of type {type(data).__name__}: it should be a uint8 array (count, height, width) or "
            f"(count, height, width, channels), a source of images, or a DataSet"
        )
    return source


def needs_keras(name: str) -> bool:
    """Whether reading the data `name` imports Keras, and with it a framework: its own data sets do, no path does."""
    return name in _OF_KERAS


def read_whole(name: str) -> "_Found | None":
    """The data `name` where all its images have one size; None for image files.

    Raises DataError where there is no such data, or it cannot be read.
    """
    if name in NAMED:
        return NAMED[name]()
    path, is_folder = path_of(name)
    # An empty name, such as an unset variable of a script leaves, would be the working directory.
    if not name or is_folder is None:
        raise DataError(
            f"there is no data {name!r}: give one of {', '.join(NAMED)}, an .npz or .npy file, "
            f"a folder, .zip, .tar or .tfrecords of images, a prepared set, or a folder with {_IDX_IMAGES['train']}"
        )
    if is_folder and is_prepared(path):
        parts = open_set(path)
        return _Found(parts["images"], parts.get("test"), parts["images"].part.left_out)
    if is_folder:
        return _idx_folder(path) if _idx_file(path, _IDX_IMAGES["train"]) else None
    if path.suffix in (".npz", ".npy"):
        return _of_arrays(path)
    _reader(path)
    return None


def path_of(name: str) -> tuple[Path, bool | None]:
    """The path that a person wrote, and whether it is a folder; None for neither folder nor file.

    Raises DataError where the system does not let one see.
    """
    try:
        path = Path(name).expanduser()
        return path, (None if not path.exists() else path.is_dir())
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{short_repr(name)} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def pictures_in(name: str) -> Pictures:
    """The pictures in a folder or a file of any of `_COLLECTIONS`, none decoded.

    Raises DataError where there are none, or they cannot be listed.
    """
    path, _ = path_of(name)
    return _reader(path)(path)


def _reader(path: Path) -> Callable[[Path], Pictures]:
    try:
        inside = frozenset(os.listdir(path)) if path.is_dir() else frozenset()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    for fits, read in _COLLECTIONS:
        if fits(path, inside):
            return read
    raise DataError(
        f"{path} is no data: arrays of images end in .npz or .npy, archives of image files in "
        f"{' or '.join(ARCHIVES)}, records in .tfrecords, {' or '.join(HUB)}, LMDB is data.mdb; else give a folder, or "
        f"one of {', '.join(NAMED)}"
    )


def _read(name: str, config: Config, margin: int, fit: Fit, skip_bad: bool, trained: bool) -> _Found:
    found = read_whole(name)
    if found is None:
        found = _image_files(name, _within(config, margin), fit, skip_bad, trained)
    return _Found(
        _fitting(name, found.images, config, margin, trained),
        None if found.test is None else _fitting(name, found.test, config, margin, trained),
        found.skipped,
        found.taken,
    )


def _image_files(name: str, shape: tuple[int, int, int], fit: Fit, skip_bad: bool, trained: bool) -> _Found:
    images, bad = read_pictures(pictures_in(name), shape, fit=fit)
    if images is None or (bad and not skip_bad):
        shown = "; ".join(bad[:3]) + (f"; and {len(bad) - 3} more" if len(bad) > 3 else "")
        advice = "" if trained or images is None else "; training can go on without them: skip_bad (--skip-bad)"
        count = len(bad) + (len(images) if images else 0)
        raise DataError(f"{len(bad)} of {count} images in {name} cannot be read: {shown}{advice}")
    return _Found(images, skipped=len(bad))


def _within(config: Config, margin: int) -> tuple[int, int, int]:
    height, width, channels = config.image
    return height - 2 * margin, width - 2 * margin, channels


def _fitting(name: str, source: Source, config: Config, margin: int = 0, trained: bool = False) -> Source:
    """The images in their frame. Raises DataError unless shape and labels are what the configuration says.

    Of a model that is `trained` nobody can change that any more, and no message says so.
    """
    source = framed(source, margin)
    if not len(source):
        raise DataError(f"{name} holds no images")
    if source.shape != config.image:
        within = f" with the margin of {margin}" if margin else ""
        if trained:
            advice = "give a folder of image files, which are resized and converted"
        else:
            advice = f"choose a preset of that size, or set image=[{','.join(map(str, source.shape))}]"
        raise DataError(
            f"the images of {name} are {by(source.shape)}{within}, but the configuration says {by(config.image)}: "
            f"{advice}"
        )
    if config.labels:
        _require_classes(name, source.labels, config.labels, trained)
    return source


def _require_classes(name: str, labels: np.ndarray | None, classes: int, trained: bool) -> None:
    without = f"give images of classes 0 … {classes - 1}, as the model knows them" if trained else "set labels=0"
    if labels is None:
        raise DataError(f"labels is {classes}, but {name} has no labels: {without}")
    if labels.ndim > 1:
        raise DataError(
            f"labels is {classes}, but {name} has {labels.shape[1]} attributes an image, not a class: {without}"
        )
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0:
        raise DataError(f"labels is {classes}, but {name} has class {lowest}: classes count from 0")
    if highest >= classes:
        advice = without if trained else f"set labels={highest + 1}"
        raise DataError(f"labels is {classes}, but {name} has class {highest}: {advice}")


def _digits() -> _Found:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    # Sixteen grey steps over the whole range of a byte.
    return _Found(Arrays(np.rint(bunch.images * (255 / 16)).astype(np.uint8), bunch.target))


def _keras_data_set(module: str) -> Callable[[], _Found]:
    def load() -> _Found:
        import keras

        try:
            (train, train_labels), (test, test_labels) = getattr(keras.datasets, module).load_data()
        except Exception as error:
            # Keras raises a bare Exception where the network fails and whatever NumPy raises for a torn file.
            path = Path(os.environ.get("KERAS_HOME", "~/.keras"), "datasets", _OF_KERAS[module])
            raise DataError(
                f"{module} cannot be read: {str(error).splitlines()[0]}; "
                f"put it into {path}, or give a folder with your own copy, or the embedded digits, as data"
            ) from error
        return _Found(Arrays(train, train_labels), Arrays(test, test_labels))

    return load


def _idx_folder(path: Path) -> _Found:
    parts = {}
    for part in ("train", "test"):
        images = _idx_file(path, _IDX_IMAGES[part])
        labels = _idx_file(path, _IDX_LABELS[part])
        if images is None:
            raise DataError(f"{path} has {_IDX_IMAGES['train']} but no {_IDX_IMAGES['test']} (or the same with .gz)")
        parts[part] = Arrays(read_idx(images), read_idx(labels) if labels else None)
    return _Found(parts["train"], parts["test"])


def _idx_file(path: Path, name: str) -> Path | None:
    return next((file for file in (path / name, path / f"{name}.gz") if file.is_file()), None)


def _of_arrays(path: Path) -> _Found:
    arrays = read_arrays(path)
    alone = [name for name, array in arrays.items() if array.ndim in (3, 4)]
    try:
        if "x_train" in arrays and "x_test" in arrays:
            (train, test), taken = as_pixels(arrays["x_train"], arrays["x_test"])
            return _Found(Arrays(train, arrays.get("y_train")), Arrays(test, arrays.get("y_test")), taken=taken)
        # One array alone is named as np.savez(path, images) does, or anyhow.
        names = [("images", "labels"), ("x_train", "y_train"), *([(alone[0], "")] if len(alone) == 1 else [])]
        for images, labels in names:
            if images in arrays:
                (pixels,), taken = as_pixels(arrays[images])
                return _Found(Arrays(pixels, arrays.get(labels)), taken=taken)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    raise DataError(
        f"{path} must hold 'images' (and 'labels' if there are any), 'x_train' (and 'x_test'), or one array of images "
        f"alone; it holds {', '.join(arrays) or 'nothing'}"
    )


#: the data sets that have a name
NAMED: dict[str, Callable[[], _Found]] = {"digits": _digits} | {name: _keras_data_set(name) for name in _OF_KERAS}
