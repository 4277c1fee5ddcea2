"""The items of a sequence in memory: an image, an image and its label, or a dictionary of both."""

from collections.abc import Collection, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from alae_core._support.text import short_repr
from alae_workbench.data.formats.array_names import IMAGE_TITLES
from alae_workbench.data.label_columns import find_class_title
from alae_workbench.data.memory import describe_wrong_type
from alae_workbench.data.source import DataError

# How to convert a tensor of each framework, by the first part of its type's module.
_CONVERSIONS = {
    "torch": "{}.cpu().numpy()",
    "tensorflow": "{}.numpy()",
    **dict.fromkeys(("jax", "jaxlib"), "numpy.asarray({})"),
}


class Item(NamedTuple):
    """An image, and its label or None."""

    image: Any
    label: Any = None


class _Keys(NamedTuple):
    """The keys of the image and the label in items that are dictionaries; of several labels, which are attributes."""

    image: str
    label: str | None
    attributes: tuple[str, ...]
    unused: tuple[str, ...]


class Items:
    """The items of a sequence, which may decode them on access; threads take turns.

    Attributes:
        keys: the keys of items that are dictionaries, after the first was read.
    """

    def __init__(self, data: Any) -> None:
        self.data, self._lock = data, Lock()
        self.keys: _Keys | None = None

    def get(self, index: int) -> Item:
        """Return an item as an image and its label. Raises DataError if it is neither."""
        try:
            with self._lock:
                item = self.data[index]
        except (LookupError, TypeError) as error:
            raise DataError(f"item {index} of data cannot be read ({type(error).__name__}: {error})") from error
        if isinstance(item, Mapping):
            return self._get_from_keys(index, item)
        if isinstance(item, (tuple, list)) and item:
            return Item(*item[:2])
        return Item(item)

    def _get_from_keys(self, index: int, item: Mapping[Any, Any]) -> Item:
        self.keys = self.keys or _find_keys(index, item, self._class_labels)
        image, label, attributes, _ = self.keys
        if missing := [key for key in (image, label, *attributes) if key is not None and key not in item]:
            raise DataError(f"item {index} of data has no {short_repr(missing[0])}, as the first item has")
        if attributes:
            return Item(item[image], [item[key] for key in attributes])
        return Item(item[image], None if label is None else item[label])

    @property
    def _class_labels(self) -> dict[str, Any]:
        """The columns of type ClassLabel of the Hugging Face library: names of classes by column."""
        features = getattr(self.data, "features", None)
        features = features if isinstance(features, Mapping) else {}
        return {title: feature.names for title, feature in features.items() if hasattr(feature, "names")}

    def get_image(self, index: int) -> np.ndarray | Image.Image | bytes:
        """Return an image: an array, one of PIL, or the bytes of a picture file. Raises DataError for anything else."""
        return self.require_image(self.get(index).image, index)

    def require_image(self, image: Any, index: int) -> np.ndarray | Image.Image | bytes:
        """Return the image of an item as `get_image`."""
        refuse_tensor(
            image,
            "the images of data are tensors",
            "image",
            "leave out the transform that makes them, such as ToTensor, or pass [({}, label) for image, label in data]",
        )
        # The Hugging Face library gives pictures that it does not decode as bytes and a path.
        image = image["bytes"] if isinstance(image, Mapping) and "bytes" in image else image
        if isinstance(image, bytes) or is_image(image):
            return image
        if isinstance(image, (str, Path)):
            raise DataError(
                f"item {index} of data is a path, {short_repr(str(image))}: pass the folder of the images as data, or "
                "[PIL.Image.open(path) for path in data]"
            )
        found = f"an array of shape {image.shape}" if isinstance(image, np.ndarray) else short_repr(image)
        raise DataError(f"{describe_wrong_type(self.data)}; item {index} is {found}")

    def find_label_names(self) -> tuple[str, ...]:
        """Return the names that the data set offers: of the keys of attributes; `classes` or `attr_names` of
        torchvision, also of the data set that a subset refers to; or those of a ClassLabel.
        """
        if self.keys and self.keys.attributes:
            return self.keys.attributes
        whole = self.data
        while not hasattr(whole, "classes") and hasattr(whole, "dataset"):
            whole = whole.dataset
        names = getattr(whole, "classes", None) or getattr(whole, "attr_names", None)
        if self.keys and self.keys.label in self._class_labels:
            names = self._class_labels[self.keys.label]
        valid = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
        return tuple(filter(None, names)) if valid and names is not None else ()


def _find_keys(index: int, item: Mapping[Any, Any], class_labels: Collection[str]) -> _Keys:
    """Find the image of an item by its key, or as the only image in it; and its class by its key, or else by its type,
    or else all truth values."""
    titles = [title for title in item if isinstance(title, str)]
    images = [title for title in IMAGE_TITLES if title in titles]
    images = images or [title for title in titles if is_image(item[title])]
    if not images or (len(images) > 1 and images[0] not in IMAGE_TITLES):
        fault = "several images" if images else "no image"
        advice = ": pass pairs of an image and a label instead"
        raise DataError(f"item {index} of data has {fault}; its keys are {', '.join(titles[:10])}{advice}")
    others = [title for title in titles if title != images[0]]
    label = find_class_title(others) or next((title for title in others if title in class_labels), None)
    truths = tuple(title for title in others if label is None and isinstance(item[title], (bool, np.bool_)))
    return _Keys(images[0], label, truths, tuple(title for title in others if title != label and title not in truths))


def is_image(value: Any) -> bool:
    """Whether a value is an image of PIL, or an array in the shape of one image."""
    return isinstance(value, Image.Image) or (isinstance(value, np.ndarray) and _is_image_shape(value.shape))


def _is_image_shape(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and (shape[-1] in (1, 3, 4) or shape[0] in (1, 3)))


def refuse_tensor(value: Any, fault: str, name: str, advice: str) -> None:
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
