"""Images in memory as programs have them: arrays, PIL images, and sequences of images and labels, such as data sets of
PyTorch and of the Hugging Face library, which are recognised by their attributes, so that neither is imported."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from alae_core._support.text import short_repr
from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats.array_names import find_roles
from alae_workbench.data.in_hand_items import Items, is_image, refuse_tensor
from alae_workbench.data.labels import Labels, convert_label_array, number_classes
from alae_workbench.data.memory import Arrays, as_source, is_source
from alae_workbench.data.options import DEFAULTS, SourceOptions
from alae_workbench.data.picture_file import Member
from alae_workbench.data.ranges import convert_arrays
from alae_workbench.data.source import UNLABELLED, DataError, Splits
from alae_workbench.data.splits import find_split

_DATA = Path("data")


def open_in_hand(data: Any, options: SourceOptions = DEFAULTS) -> Splits | Collection:
    """Open images in memory: arrays of one shape as `Arrays`, others as pictures that are not decoded.

    Args:
        data: an array or a source; a pair of images and labels; a sequence of images (arrays, images of PIL, or the
            bytes of picture files), of pairs of an image and a label, or of dictionaries such as {"image": …, "label":
            …}; a dictionary of arrays with the names that .npz files have; or a dictionary of all these by the name of
            their split, such as `train` and `test`, or a pair of pairs, as Keras returns. Of several held-out splits
            only the first is used.
        options: the range of arrays.

    Raises:
        DataError: `data` has another type, holds tensors, or its images or labels cannot be used.
    """
    if isinstance(data, Mapping) and data and all(isinstance(name, str) for name in data):
        if all(map(find_split, data)):
            return _open_splits(data, options)
        if all(isinstance(array, np.ndarray) for array in data.values()):
            return _open_named_arrays(data, options)
    refuse_tensor(data, "data is a tensor", "data", "pass {}")
    data = _list_items(data)
    if _is_pair(data):
        if all(map(_is_pair, data)):
            return _open_splits({"train": data[0], "test": data[1]}, options)
        images, labels = data
        if isinstance(images, np.ndarray):
            return _make_arrays(images, _convert_labels(list(labels), ()), options)
        data = list(zip(images, labels, strict=True))
    if isinstance(data, np.ndarray):
        return _make_arrays(data, Labels(), options)
    _refuse_stream(data)
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
    return _open_items(Items(data), count, options)


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


def _open_named_arrays(data: Mapping[str, np.ndarray], options: SourceOptions) -> Splits | Collection:
    """Open arrays with the names that .npz files have."""
    roles = find_roles({name: array.shape for name, array in data.items()}, _DATA, options)

    def pair(images: str, labels: str | None) -> Any:
        return data[images] if labels is None else (data[images], data[labels])

    train = pair(roles.images, roles.labels)
    if not roles.test_images:
        return open_in_hand(train, options)
    return _open_splits({"train": train, "test": pair(roles.test_images[0], roles.test_labels[0])}, options)


def _open_items(items: Items, count: int, options: SourceOptions) -> Splits | Collection:
    first = items.get_image(0)
    images, values = [], []
    # Items may be decoded on access, so each is read once; only arrays are kept.
    for index in range(count):
        item = items.get(index)
        values.append(item.label)
        if isinstance(first, np.ndarray):
            images.append(items.require_image(item.image, index))
    labels = _convert_labels(values, items.find_label_names())
    if items.keys and items.keys.unused:
        unused = f"columns not used: {', '.join(map(short_repr, items.keys.unused[:10]))}"
        labels = replace(labels, notes=(*labels.notes, unused))
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


def _read_item(items: Items, index: int) -> np.ndarray | Image.Image | bytes:
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
            numbers, names = number_classes(present)
        else:
            numbers, found = convert_label_array(np.array(present), len(present))
            fits = numbers.ndim == 1 or len(names) == numbers.shape[1]
            names = names if names and fits else found
    except (DataError, ValueError, TypeError) as error:
        return Labels(notes=(f"those of data cannot be used: {error}",))
    if len(present) < len(plain) and numbers.ndim == 1:
        spread = np.full(len(plain), UNLABELLED, np.int64)
        spread[[label is not None for label in plain]] = numbers
        numbers = spread
    elif len(present) < len(plain):
        return Labels(notes=(f"{len(plain) - len(present):,} of {len(plain):,} images of data have no attributes",))
    return Labels(numbers, names, "data")


def _is_pair(data: Any) -> bool:
    """Whether `data` are images and their labels, or two such pairs, as Keras returns them."""
    if not (isinstance(data, (tuple, list)) and len(data) == 2):
        return False
    images, labels = data
    if _is_pair(images) and _is_pair(labels):
        return True
    if isinstance(images, np.ndarray):
        are_images = images.ndim in (3, 4)
    else:
        are_images = isinstance(images, (tuple, list)) and all(map(is_image, images))
    if isinstance(labels, np.ndarray):
        are_labels = labels.ndim in (1, 2)
    else:
        are_labels = isinstance(labels, (tuple, list)) and not any(map(is_image, labels))
    return are_images and are_labels and len(images) == len(labels)


def _list_items(data: Any) -> Any:
    """Return the rows of a table of pandas, or the items of an array of Python objects; other data as they are."""
    if type(data).__module__.partition(".")[0] == "pandas":
        return data.to_dict("records") if hasattr(data, "columns") else data.tolist()
    return list(data) if isinstance(data, np.ndarray) and data.dtype.hasobject else data


def _refuse_stream(data: Any) -> None:
    """Raise DataError for data that can only be read in its own order."""
    if hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        kind = type(data).__name__
        if hasattr(data, "dataset"):
            raise DataError(f"data is of type {kind}, which makes batches: pass data.dataset")
        raise DataError(f"data is of type {kind}, which has no items to choose from: pass list(data)")
