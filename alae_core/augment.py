"""Augmentation of the images that D∘E sees in the adversarial updates, so that D does not overfit few images.

After Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data" (StyleGAN2-ADA): transformations
that are applied to real and generated images alike, each with a probability below one, do not leak into generated ones.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import pi, sqrt
from typing import Any

import numpy as np
from keras import ops

from alae_core.draws import NUMBERS
from alae_core.groups import MOST_P, Augment, Transform

Tensor = Any

#: the number of columns of `changes` for each transformation: one that decides whether it happens, then its parameters
COLUMNS: dict[Transform, int] = {"flip": 1, "shift": 3, "scale": 2, "rotate": 3, "colour": 5, "cutout": 3}
_FIRST = dict(zip(COLUMNS, accumulate(COLUMNS.values(), initial=0), strict=False))
# Half-widths of uniform distributions with the standard deviations of the normal ones of Karras et al. (appendix B):
# a uniform distribution never moves an image out of view.
_SHIFT, _SCALE = 1 / 8, sqrt(3) * 0.2
_BRIGHTNESS, _CONTRAST, _SATURATION = sqrt(3) * 0.2, sqrt(3) * 0.5, sqrt(3) * 1.0


def changes(numbers: np.ndarray) -> np.ndarray:
    """Return the parameters of transformations from uniform numbers. In NumPy: frameworks round cosines differently.

    Args:
        numbers: (batch, 16), uniform in [0, 1): `Draws.augment`.

    Returns:
        (batch, 17) in float64, see `COLUMNS`. After the deciding number: for shift the offsets of rows and columns as
        fractions of the image's sides; for scale a factor; for rotate cos and sin; for colour brightness, contrast, and
        the factors of the image's colours and of the colours rotated by 90° that are added (saturation and hue); for
        cutout a row and a column.
    """
    ends = np.cumsum(list(NUMBERS.values()))[:-1]
    flip, shift, scale, rotate, colour, cutout = np.split(numbers.astype(np.float64), ends, axis=1)
    far, larger, turned, tinted = (2 * each[:, 1:] - 1 for each in (shift, scale, rotate, colour))
    brightness, contrast, saturation, hue = np.split(tinted, 4, axis=1)
    more = 2 ** (_SATURATION * saturation)
    columns = [
        *(flip, shift[:, :1], _SHIFT * far, scale[:, :1], 2 ** (_SCALE * larger)),
        *(rotate[:, :1], np.cos(pi * turned), np.sin(pi * turned)),
        *(colour[:, :1], _BRIGHTNESS * brightness, 2 ** (_CONTRAST * contrast)),
        *(more * np.cos(pi * hue) - 1, more * np.sin(pi * hue)),
        cutout,
    ]
    return np.concatenate(columns, axis=1)


def augment_images(images: Tensor, changes: Tensor, p: Tensor | float, transforms: Sequence[str]) -> Tensor:
    """Apply each transformation to images with probability `p`.

    Pixels outside an image are its reflection; between pixels, interpolation is linear; cutout makes a rectangle of
    half the image's sides grey. For given `changes` and `p` the result is an affine function of the pixels, so
    gradients pass through.

    Args:
        images: (batch, H, W, C), floats.
        changes: (batch, 17), as `changes` makes them.
        p: a scalar in 0 … 1; 0 returns every image bit for bit.
        transforms: the names of the possible transformations.

    Returns:
        (batch, H, W, C); values may leave [−1, 1].
    """
    change = _Change(changes, p, transforms)
    batch, height, width, channels = images.shape
    pixels = ops.reshape(images, (batch, height * width, channels))
    if not {"flip", "shift", "scale", "rotate"}.isdisjoint(transforms):
        pixels = _move(pixels, height, width, change)
    if "colour" in transforms:
        pixels = _colour(pixels, channels, change)
    if "cutout" in transforms:
        pixels = pixels * _mask(height, width, change)[..., None]
    return ops.reshape(pixels, images.shape)


def adapt_p(choice: Augment, p: Tensor, separation: Tensor, images: int) -> Tensor:
    """Adjust p after a batch: up if D separates real from generated images better than the target, else down.

    Karras et al. 2020 (equation 1, r_t) move p by the mean sign of D's logits on real images. In ALAE the updates of G
    and E shift all logits together, often across 0 and back within two steps; `updates.measure_separation` does not
    depend on such shifts.

    Args:
        choice: how p adapts.
        p: its current value.
        separation: `updates.measure_separation` of the batch, 1 if D overfits completely.
        images: the number of real images in the batch.
    """
    excess = separation - choice.target
    # Treat rounding errors as zero, so that p moves in the same direction on every framework.
    direction = ops.where(ops.abs(excess) < 1e-6, 0 * excess, ops.sign(excess))
    # On PyTorch, keras.ops would round a plain number to float32 here.
    return ops.clip(p + direction * (images / choice.images), 0.0, _like(p, MOST_P))


class _Change:
    """The transformations of each image of a batch."""

    def __init__(self, changes: Tensor, p: Tensor | float, transforms: Sequence[str]) -> None:
        self._changes, self._p, self._transforms = changes, p, transforms

    def column(self, name: Transform, k: int) -> Tensor:
        """(batch, 1): a parameter of a transformation, whether or not it happens."""
        column = _FIRST[name] + k
        return self._changes[:, column : column + 1]

    def happens(self, name: Transform, share: float = 1.0) -> Tensor:
        """(batch, 1): whether a transformation happens, with probability p · `share`."""
        return self.column(name, 0) < (self._p * share if name in self._transforms else 0.0)

    def number(self, name: Transform, k: int, otherwise: float = 0.0) -> Tensor:
        """(batch, 1): a parameter of a transformation, or `otherwise` if it does not happen."""
        return ops.where(self.happens(name), self.column(name, k), otherwise)


def _move(pixels: Tensor, height: int, width: int, change: _Change) -> Tensor:
    """Rotate, scale, flip and shift the pixels (batch, H·W, C) of images about their centres."""
    y, x = np.indices((height, width)).reshape(2, 1, -1)
    y, x = (_like(pixels, at) for at in (y - (height - 1) / 2, x - (width - 1) / 2))
    scale = change.number("scale", 1, 1.0)
    cos, sin = scale * change.number("rotate", 1, 1.0), scale * change.number("rotate", 2)
    side = 1 - 2 * ops.cast(change.happens("flip", 0.5), pixels.dtype)
    row = cos * y + sin * x + height * change.number("shift", 1)
    column = side * (cos * x - sin * y) + width * change.number("shift", 2)
    return _interpolate(pixels, height, width, row + (height - 1) / 2, column + (width - 1) / 2)


def _interpolate(pixels: Tensor, height: int, width: int, row: Tensor, column: Tensor) -> Tensor:
    """Interpolate images at positions (batch, H·W) between their pixels."""
    batch, count, channels = pixels.shape
    flat = ops.reshape(pixels, (batch * count, channels))
    first = ops.arange(batch, dtype="int32")[:, None] * count
    row, column = _reflect(row, height), _reflect(column, width)
    # Not ops.floor: keras.ops computes it in float32 on JAX and PyTorch.
    top, left = ops.cast(row, "int32"), ops.cast(column, "int32")
    down, right = (row - ops.cast(top, row.dtype))[..., None], (column - ops.cast(left, row.dtype))[..., None]
    bottom, other = ops.minimum(top + 1, height - 1), ops.minimum(left + 1, width - 1)

    def between(row: Tensor) -> Tensor:
        start = first + row * width
        return (1 - right) * ops.take(flat, start + left, axis=0) + right * ops.take(flat, start + other, axis=0)

    return (1 - down) * between(top) + down * between(bottom)


def _reflect(at: Tensor, size: int) -> Tensor:
    """Map positions along an axis into 0 … size − 1 by reflection at the outer edges of the pixels."""
    from_edge = ops.abs(at + 0.5)
    periods = ops.cast(ops.cast(from_edge / (2 * size), "int32"), at.dtype)
    return ops.clip(size - ops.abs(from_edge - 2 * size * periods - size) - 0.5, 0.0, size - 1.0)


def _colour(pixels: Tensor, channels: int, change: _Change) -> Tensor:
    """Change brightness and contrast; with three channels also hue and saturation, which keep the mean."""
    if channels == 3:
        along, across = change.number("colour", 3)[..., None], change.number("colour", 4)[..., None]
        colour = pixels - ops.sum(pixels, axis=-1, keepdims=True) / 3
        turned = (ops.roll(pixels, 1, axis=-1) - ops.roll(pixels, -1, axis=-1)) / sqrt(3)
        pixels = pixels + along * colour + across * turned
    return pixels * change.number("colour", 2, 1.0)[..., None] + change.number("colour", 1)[..., None]


def _mask(height: int, width: int, change: _Change) -> Tensor:
    """(batch, H·W): 0 in the rectangle that is cut out, of half the image's sides, 1 elsewhere."""
    middle_y, middle_x = height * change.column("cutout", 1), width * change.column("cutout", 2)
    y, x = (_like(middle_y, at) for at in np.indices((height, width)).reshape(2, 1, -1) + 0.5)
    inside = (ops.abs(y - middle_y) < height / 4) & (ops.abs(x - middle_x) < width / 4)
    return 1 - ops.cast(change.happens("cutout") & inside, middle_y.dtype)


def _like(tensor: Tensor, value: np.ndarray | float) -> Tensor:
    return ops.convert_to_tensor(value, dtype=tensor.dtype)
