"""The arrays that a model's methods accept: checks and conversions. Each raises ArgumentError."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import ops

from alae_core._support.text import short_repr
from alae_core.config import Config
from alae_core.errors import ArgumentError
from alae_core.images import to_float
from alae_core.streams import Noise, noise_shapes, sample_noise
from alae_core.view import NoiseWord, View


def require_images(images: np.ndarray) -> np.ndarray:
    """Return `images` as an array (batch, H, W, C) of uint8 or of floats in [−1, 1].

    Raises ArgumentError for a framework's tensor, another shape or dtype, and floats of 0 … 255.
    """
    require_no_tensor("images", images)
    try:
        images = np.asarray(images)
    except ValueError as error:
        raise ArgumentError("images", f"are {short_repr(images)}, but must be an array (batch, H, W, C)") from error
    if images.ndim != 4 or not (images.dtype == np.uint8 or images.dtype.kind == "f"):
        raise ArgumentError(
            "images", f"must be uint8 or floats (batch, H, W, C), but are {images.dtype} of shape {images.shape}"
        )
    if images.dtype.kind == "f" and images.size and images.max() > 1.5 and images.min() >= 0:
        raise ArgumentError(
            "images", f"are floats of {images.min():g} … {images.max():g}: they should be uint8, or floats in [−1, 1]"
        )
    return images


def require_no_tensor(argument: str, array: Any) -> None:
    """Raise ArgumentError for a framework's tensor: converting it to NumPy would detach it from its gradient."""
    if ops.is_tensor(array) or isinstance(array, keras.Variable):
        raise ArgumentError(
            argument, "is a tensor, but methods of a model take NumPy arrays: call model.F, .G, .E or .D on tensors"
        )


def as_images(config: Config, images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return images (batch, *shape) as floats of `config.dtype`."""
    images = require_images(images)
    if images.shape[1:] != shape:
        raise ArgumentError("images", f"must have shape (batch, {', '.join(map(str, shape))}), but have {images.shape}")
    return np.asarray(to_float(images) if images.dtype == np.uint8 else images, config.dtype)


def as_rows(config: Config, argument: str, array: np.ndarray, *shapes: tuple[int, ...]) -> np.ndarray:
    """Return `array` in `config.dtype`. Its rows must have one of the shapes."""
    require_no_tensor(argument, array)
    try:
        found = np.asarray(array, config.dtype)
    except (TypeError, ValueError) as error:
        raise ArgumentError(argument, f"is {short_repr(array)}, but must be an array of numbers") from error
    if found.shape[1:] not in shapes or not found.ndim:
        expected = " or ".join(f"(batch, {', '.join(map(str, shape))})" for shape in shapes)
        raise ArgumentError(argument, f"must have shape {expected}, but has {found.shape}")
    return found


def as_styles(config: Config, w: np.ndarray, view: View | None) -> np.ndarray:
    """Return w (batch, w) or, for style networks, a style for each layer of the view or more, (batch, layers, w)."""
    width = config.networks.w
    layers = () if view is None else range(2 * (view.lod + 1), 2 * config.lods + 1)
    return as_rows(config, "w", w, (width,), *((count, width) for count in layers))


def as_noise(
    config: Config, noise: Noise, view: View | None, count: int
) -> tuple[list[np.ndarray], Literal["bump"] | None]:
    """Return noise for `count` images as (maps, mode): without maps, `Family.generate` gets the mode instead."""
    if view is None:
        if not isinstance(noise, str):
            raise ArgumentError("noise", "is for style networks")
        return [], None
    if isinstance(noise, str):
        if noise not in get_args(NoiseWord):
            modes = ", ".join(get_args(NoiseWord))
            raise ArgumentError("noise", f"is {noise!r}: it should be {modes} or a list of maps")
        if noise == "none":
            return [], None
        if noise == "bump":
            return [], "bump"
        if noise == "fixed":
            noise = sample_noise(view.lod, 1, seed=0)
        else:
            noise = sample_noise(view.lod, count, seed=int(np.random.SeedSequence().generate_state(1)[0]))
    return _as_maps(config, noise, view, count), None


def _as_maps(config: Config, noise: Sequence[np.ndarray], view: View, count: int) -> list[np.ndarray]:
    for array in noise:
        require_no_tensor("noise", array)
    expected, shapes = noise_shapes(view.lod, count), [np.shape(array) for array in noise]
    # Any map may have batch 1, for all images; the first, on the constant, may also differ between images.
    fitting = len(shapes) == len(expected) and all(
        shape in ((count, *right[1:]), (1, *right[1:])) for shape, right in zip(shapes, expected, strict=True)
    )
    if not fitting:
        raise ArgumentError("noise", f"must be maps of shapes {expected}, but they have {shapes}")
    return [np.asarray(array, config.dtype) for array in noise]


def one_hot(config: Config, labels: np.ndarray | None, count: int) -> list[np.ndarray]:
    """Encode the class numbers of `count` images as [(count, classes)]; [] for a model without labels.

    Raises ArgumentError if labels are missing, are given to a model without labels, are not `count` numbers, or are not
    classes of the model.
    """
    classes = config.labels
    if labels is None or not classes:
        if classes:
            raise ArgumentError("labels", f"are missing: the model has {classes} classes; pass the class of each image")
        if labels is not None:
            raise ArgumentError("labels", "were given, but the model was trained without labels: omit them")
        return []
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ArgumentError("labels", f"must be class numbers (batch,), but are {labels.dtype} {labels.shape}")
    if len(labels) != count:
        raise ArgumentError("labels", f"are {len(labels)}, but must be {count}, one for each image")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ArgumentError("labels", f"must lie in 0 … {classes - 1}, but reach from {labels.min()} to {labels.max()}")
    return [(labels[:, None] == np.arange(classes)).astype(config.dtype)]
