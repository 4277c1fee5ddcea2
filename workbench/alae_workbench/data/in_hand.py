"""Images in memory as programs have them: arrays, PIL images, and sequences of images and labels, such as data sets of
PyTorch and of the Hugging Face library, which are recognised by their attributes, so that neither is imported."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from alae_core._support.text import short_repr
from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.array_names import IMAGE_TITLES
from alae_workbench.data.label_columns import find_class_title
from alae_workbench.data.labels import UNLABELLED, Labels, convert_label_array, number_texts
from alae_workbench.data.memory import Arrays, as_source, describe_wrong_type, is_source
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import Member
from alae_workbench.data.ranges import convert_arrays
from alae_workbench.data.source import DataError, Splits
from alae_workbench.data.splits import find_split

# How to convert a tensor of each framework, by the first part of its type's module.
_CONVERSIONS = {
    "torch": "{}.cpu().numpy()",
    "tensorflow": "{}.numpy()",
    **dict.fromkeys(("jax", "jaxlib"), "numpy.asarray({})"),
}
_DATA = Path("data")


def open_in_hand(data: Any, options: SourceOptions = DEFAULTS) -> Splits | Collection:
    """Open images in memory: arrays of one shape as `Arrays`, others as pictures that are not decoded.

    Args:
        data: an array or a source; a pair of arrays of images and of labels; a sequence of images (arrays, or images of
            PIL), of pairs of an image and a label, or of dictionaries such as {"image": …, "label": …}; or a dictionary
            of these by the name of their split, such as `train` and `test`. Of several held-out splits only the first
            is used.
        options: the range of arrays.

    Raises:
        DataError: `data` has another type, holds tensors, or its images or labels cannot be used.
    """
    if isinstance(data, Mapping) and data and all(isinstance(name, str) and find_split(name) for name in data):
        return _open_splits(data, options)
    _refuse_tensor(data, "data is a tensor", "data", "pass {}")
    if _is_pair_of_arrays(data):
        pixels, labels = data
        return _make_arrays(pixels, _convert_labels(list(labels), ()), options)
    if isinstance(data, np.ndarray):
        return _make_arrays(data, Labels(), options)
    if is_source(data) or isinstance(data, (str, bytes, Mapping)) or not hasattr(data, "__getitem__"):
        return Splits(as_source(data))
    try:
        count = len(data)
    except TypeError as error:
        raise DataError(
            f"data is of type {type(data).__name__} and has no length: pass a list of its images, or of its pairs of "
            f"an image and a label"
        ) from error
    if not count:
        raise DataError("data holds no images")
    return _open_items(_Items(data), count, options)


def _open_splits(data: Mapping[str, Any], options: SourceOptions) -> Splits | Collection:
    train = [name for name in data if find_split(name) == "train"]
    if len(train) != 1:
        raise DataError(
            f"data has the splits {', '.join(data)}: one of them must be for training; or pass one split, such as "
            f"data[{next(iter(data))!r}]"
        )
    contents = open_in_hand(data[train[0]], options)
    held_out = [name for name in data if name not in train]
    if not held_out:
        return contents
    test = open_in_hand(data[held_out[0]], options)
    if isinstance(contents, Collection) and isinstance(test, Collection):
        return replace(contents, test=test)
    if isinstance(contents, Splits) and isinstance(test, Splits):
        return replace(contents, test=test.images)
    raise DataError("the splits of data must both hold images of PIL, or both arrays of one shape")


class _Item(NamedTuple):
    image: Any
    label: Any = None


class _Items:
    """The items of a sequence, which may decode them on access; threads take turns."""

    def __init__(self, data: Any) -> None:
        self.data, self._lock = data, Lock()

    def get(self, index: int) -> _Item:
        """Return an item as an image and its label. Raises DataError if it is neither."""
        with self._lock:
            item = self.data[index]
        if isinstance(item, Mapping):
            titles = [str(title) for title in item]
            image = next((title for title in IMAGE_TITLES if title in titles), None)
            if image is None:
                raise DataError(f"item {index} of data has no image: its keys are {', '.join(titles[:10])}")
            label = find_class_title([title for title in titles if title != image])
            return _Item(item[image], None if label is None else item[label])
        if isinstance(item, (tuple, list)) and item:
            return _Item(*item[:2])
        return _Item(item)

    def get_image(self, index: int) -> np.ndarray | Image.Image:
        """Return an image: an array of at least 2 axes, or one of PIL. Raises DataError for anything else."""
        return self.require_image(self.get(index).image, index)

    def require_image(self, image: Any, index: int) -> np.ndarray | Image.Image:
        """Return the image of an item as `get_image`."""
        _refuse_tensor(
            image,
            "the images of data are tensors",
            "image",
            "leave out the transform that makes them, such as ToTensor, or pass [({}, label) for image, label in data]",
        )
        if isinstance(image, Image.Image) or (isinstance(image, np.ndarray) and _is_image_shape(image.shape)):
            return image
        found = f"an array of shape {image.shape}" if isinstance(image, np.ndarray) else short_repr(image)
        raise DataError(f"{describe_wrong_type(self.data)}; item {index} is {found}")

    def find_label_names(self) -> tuple[str, ...]:
        """Return the names of classes that the data set offers: `classes` of torchvision, or those of a ClassLabel."""
        names = getattr(self.data, "classes", None)
        features = getattr(self.data, "features", None)
        if isinstance(features, Mapping):
            names = getattr(features.get(find_class_title(list(features)) or ""), "names", None)
        valid = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
        return tuple(names) if valid and names is not None else ()


def _open_items(items: _Items, count: int, options: SourceOptions) -> Splits | Collection:
    first = items.get_image(0)
    images, values = [], []
    # Items may be decoded on access, so each is read once; only arrays are kept.
    for index in range(count):
        item = items.get(index)
        values.append(item.label)
        if isinstance(first, np.ndarray):
            images.append(items.require_image(item.image, index))
    labels = _convert_labels(values, items.find_label_names())
    if isinstance(first, np.ndarray):
        # Arrays of colours with transparency are pictures.
        equal = [image for image in images if isinstance(image, np.ndarray) and image.shape == first.shape]
        if len(equal) == count and first.shape[2:] != (4,):
            return _make_arrays(np.stack(equal), labels, options)
        if any(isinstance(image, np.ndarray) and image.dtype != np.uint8 for image in images):
            raise DataError("the images of data are arrays of several shapes, so they must be bytes (uint8)")
    members = LazySequence(
        count, lambda index: Member(_DATA, PurePosixPath(str(index)), partial(_read_item, items, index))
    )
    return Collection(members, [], labels.values, labels.names, [], str(labels))


def _read_item(items: _Items, index: int) -> np.ndarray | Image.Image:
    image = items.get_image(index)
    if isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[-1] == 1:
        return image[..., 0]
    return image


def _make_arrays(pixels: np.ndarray, labels: Labels, options: SourceOptions) -> Splits:
    (images,), interpretation, value_range = convert_arrays(pixels, stated=options.range)
    text = str(labels) if labels.values is not None or labels.notes else ""
    arrays = Arrays(images, labels.values, None, labels.names, text)
    return Splits(arrays, interpretation=interpretation, value_range=value_range)


def _convert_labels(labels: list[Any], names: tuple[str, ...]) -> Labels:
    """Convert labels of items: numbers, texts, rows of attributes, or None for an image without a label."""
    # Tensors of labels have this method, too.
    plain = [label.tolist() if hasattr(label, "tolist") else label for label in labels]
    present = [label for label in plain if label is not None]
    if not present:
        return Labels()
    try:
        if all(isinstance(label, str) for label in present):
            numbers, names = number_texts(present)
        else:
            numbers, found = convert_label_array(np.array(present), len(present))
            names = names or found
    except (DataError, ValueError, TypeError) as error:
        return Labels(notes=(f"those of data cannot be used: {error}",))
    if len(present) < len(plain) and numbers.ndim == 1:
        spread = np.full(len(plain), UNLABELLED, np.int64)
        spread[[label is not None for label in plain]] = numbers
        numbers = spread
    elif len(present) < len(plain):
        return Labels(notes=(f"{len(plain) - len(present):,} of {len(plain):,} images of data have no attributes",))
    return Labels(numbers, names, "data")


def _is_image_shape(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and (shape[-1] in (1, 3, 4) or shape[0] in (1, 3)))


def _is_pair_of_arrays(data: Any) -> bool:
    if not (isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, np.ndarray) for part in data)):
        return False
    images, labels = data
    return images.ndim in (3, 4) and labels.ndim in (1, 2) and len(images) == len(labels)


def _refuse_tensor(value: Any, fault: str, name: str, advice: str) -> None:
    """Raise DataError with the line that converts a tensor, if `value` is one.

    Args:
        value: the data, or an image of it.
        fault: the beginning of the message.
        name: the variable that holds the tensor.
        advice: what to do, with {} for the line.
    """
    framework = type(value).__module__.partition(".")[0]
    if framework in _CONVERSIONS and hasattr(value, "shape") and hasattr(value, "dtype"):
        raise DataError(f"{fault} of {framework}: {advice.format(_CONVERSIONS[framework].format(name))}")
