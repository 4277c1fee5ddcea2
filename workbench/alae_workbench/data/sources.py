"""Where images come from: named data sets, IDX folders, .npz files and folders of images."""

import gzip
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from alae_core import Config
from alae_workbench.data.images import DataError, DataSet, Images, split

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
_IDX_IMAGES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
_IDX_LABELS = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}


class Source(NamedTuple):
    """What a source holds: its images in their own order, and its own test split where it has one."""

    images: Images
    test: Images | None = None
    skipped: int = 0


def load_data(config: Config, *, skip_bad: bool = False) -> DataSet:
    """The data set that `config.training.data` names, split for training.

    Args:
        config: says which data, the image shape, and how many images to hold out where the source has no test split.
        skip_bad: go on without the unreadable images of a folder instead of refusing them.

    Raises:
        DataError: there is no such data, it cannot be read, or its shape or labels do not fit the configuration.
    """
    source = _read(config.training.data, config, skip_bad)
    if source.test is not None:
        return DataSet(source.images, source.test, source.skipped)
    return DataSet(*split(source.images, config.training.held_out), source.skipped)


def load_images(name: str, config: Config, *, skip_bad: bool = False) -> Images:
    """The images to look at in the source `name`, in their own order: its test split if it has one, else all of them.

    Raises DataError as `load_data` does; `name` may be a single image file too.
    """
    path = Path(name)
    if path.is_file() and path.suffix.lower() in _ENDINGS:
        single = Images(read_image(path, _within_margin(config))[None])
        return _fitting(name, single.framed(config.training.margin), config)
    source = _read(name, config, skip_bad)
    return source.images if source.test is None else source.test


def _read(name: str, config: Config, skip_bad: bool) -> Source:
    source = NAMED[name]() if name in NAMED else _from_path(name, config, skip_bad)
    framed = Source(
        source.images.framed(config.training.margin),
        source.test.framed(config.training.margin) if source.test else None,
        source.skipped,
    )
    for images in (framed.images, framed.test):
        if images is not None:
            _fitting(name, images, config)
    return framed


def _from_path(name: str, config: Config, skip_bad: bool) -> Source:
    path = Path(name).expanduser()
    if path.suffix == ".npz" and path.is_file():
        return _npz(path)
    # An empty name, such as an unset variable of a script leaves, would be the working directory.
    if not name or not path.is_dir():
        raise DataError(
            f"there is no data {name!r}: give one of {', '.join(NAMED)}, an .npz file, "
            f"a folder of images, or a folder with {_IDX_IMAGES['train']}"
        )
    if _idx_file(path, _IDX_IMAGES["train"]):
        return _idx_folder(path)
    return _image_folder(path, _within_margin(config), skip_bad)


def _within_margin(config: Config) -> tuple[int, int, int]:
    height, width, channels = config.image
    return height - 2 * config.training.margin, width - 2 * config.training.margin, channels


def _fitting(name: str, images: Images, config: Config) -> Images:
    shape = images.pixels.shape[1:]
    if shape != config.image:
        raise DataError(
            f"the images of {name} are {_size(shape)}, but the configuration says {_size(config.image)}: "
            f"choose a preset of that size, or --set image=[{','.join(map(str, shape))}]"
        )
    if config.labels:
        if images.labels is None:
            raise DataError(f"labels is {config.labels}, but {name} has no labels: use --set labels=0")
        highest = int(images.labels.max())
        if highest >= config.labels:
            raise DataError(
                f"labels is {config.labels}, but {name} has class {highest}: use --set labels={highest + 1}"
            )
    return images


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _digits() -> Source:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    # Sixteen grey steps over the whole range of a byte.
    return Source(Images(np.rint(bunch.images * (255 / 16)).astype(np.uint8), bunch.target))


def _keras_data_set(module: str, cache: str) -> Callable[[], Source]:
    def load() -> Source:
        import keras

        try:
            (train, train_labels), (test, test_labels) = getattr(keras.datasets, module).load_data()
        except Exception as error:
            # Keras raises a bare Exception where the network fails and whatever NumPy raises for a torn file.
            path = Path(os.environ.get("KERAS_HOME", "~/.keras"), "datasets", cache)
            raise DataError(
                f"{module} cannot be read: {str(error).splitlines()[0]}; "
                f"put it into {path}, or use your own copy (--data FOLDER) or the embedded digits (--data digits)"
            ) from error
        return Source(Images(train, train_labels), Images(test, test_labels))

    return load


def _idx_folder(path: Path) -> Source:
    parts = {}
    for part in ("train", "test"):
        images = _idx_file(path, _IDX_IMAGES[part])
        labels = _idx_file(path, _IDX_LABELS[part])
        if images is None:
            raise DataError(f"{path} has {_IDX_IMAGES['train']} but no {_IDX_IMAGES['test']} (or the same with .gz)")
        parts[part] = Images(_read_idx(images), _read_idx(labels) if labels else None)
    return Source(parts["train"], parts["test"])


def _idx_file(path: Path, name: str) -> Path | None:
    return next((file for file in (path / name, path / f"{name}.gz") if file.is_file()), None)


def _read_idx(path: Path) -> np.ndarray:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if content[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is no IDX file of bytes: it must start with 00 00 08, not {content[:3].hex(' ')!r}")
    try:
        axes = content[3]
        shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    except (IndexError, struct.error) as error:
        raise DataError(f"{path} is cut short: it ends within its header") from error
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if values.size != np.prod(shape):
        raise DataError(f"{path} is cut short: its header promises {_size(shape)} bytes, but {values.size} follow")
    return values.reshape(shape)


def _npz(path: Path) -> Source:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as an .npz of plain arrays: {error}") from error
    try:
        if "x_train" in arrays and "x_test" in arrays:
            train = Images(arrays["x_train"], arrays.get("y_train"))
            return Source(train, Images(arrays["x_test"], arrays.get("y_test")))
        if "images" in arrays:
            return Source(Images(arrays["images"], arrays.get("labels")))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    raise DataError(
        f"{path} must hold 'images' (and 'labels' if there are any), or 'x_train' and 'x_test'; "
        f"it holds {', '.join(arrays) or 'nothing'}"
    )


def _image_folder(path: Path, shape: tuple[int, int, int], skip_bad: bool) -> Source:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS)
    if not files:
        raise DataError(f"there are no images in {path}: it should hold {', '.join(_ENDINGS)} files, in any subfolders")
    pixels, kept, bad = [], [], []
    for file in files:
        try:
            pixels.append(read_image(file, shape))
            kept.append(file)
        except DataError as error:
            bad.append(str(error))
    if bad and not (skip_bad and kept):
        shown = "; ".join(bad[:5]) + (f"; and {len(bad) - 5} more" if len(bad) > 5 else "")
        raise DataError(
            f"{len(bad)} of {len(files)} images in {path} cannot be read: {shown}; --skip-bad goes on without them"
        )
    folders = [file.relative_to(path).parts[0] if file.parent != path else None for file in kept]
    classes = sorted({folder for folder in folders if folder})
    # Images sorted into subfolders are labelled by them; a stray image at the top has no class, so none is given.
    labels = np.array([classes.index(f) for f in folders if f]) if len(classes) > 1 and None not in folders else None
    return Source(Images(np.stack(pixels), labels), skipped=len(bad))


def read_image(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """An image file as uint8 of `shape` (H, W, C): turned upright, cropped about its centre, resized.

    Raises:
        DataError: the file is no image that can be read, or `shape` has neither one nor three channels.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise DataError(f"image files have 1 or 3 channels, but the configuration says {channels}")
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
            fitted = ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} ({error})") from error
    return np.asarray(fitted, np.uint8).reshape(shape)


NAMED: dict[str, Callable[[], Source]] = {
    "digits": _digits,
    "mnist": _keras_data_set("mnist", "mnist.npz"),
    "fashion_mnist": _keras_data_set("fashion_mnist", "fashion-mnist"),
    "cifar10": _keras_data_set("cifar10", "cifar-10-batches-py"),
}
