"""Augmentation (Karras et al. 2020) of the images that D∘E sees, as matrices that act on pixels and colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin, sqrt

import numpy as np

from alae_conformance.reference.layers import Array

#: columns of each transformation's random numbers: the first decides whether it happens, the rest are its parameters
FLIP, SHIFT, SCALE, ROTATE, COLOUR, CUTOUT = 0, slice(1, 4), slice(4, 6), slice(6, 8), slice(8, 13), slice(13, 16)
#: the share of the sides of an image that is cut out
CUT_SHARE = 0.5


@dataclass(frozen=True)
class Augmentation:
    """y = keep · (resampling · x · colourᵀ + offset) for each image, x being (H·W, C)."""

    resampling: Array  # (batch, H·W, H·W)
    colour: Array  # (batch, C, C)
    offset: Array  # (batch,)
    keep: Array  # (batch, H·W)

    def apply(self, images: Array) -> Array:
        """Augment images (batch, H, W, C)."""
        x = images.reshape(len(images), -1, images.shape[3])
        y = np.einsum("boq,bqc,bdc->bod", self.resampling, x, self.colour) + self.offset[:, None, None]
        return (self.keep[..., None] * y).reshape(images.shape)

    def backward(self, adjoint: Array) -> Array:
        """Propagate the adjoint of augmented images to the images."""
        y = self.keep[..., None] * adjoint.reshape(len(adjoint), -1, adjoint.shape[3])
        return np.einsum("boq,bod,bdc->bqc", self.resampling, y, self.colour).reshape(adjoint.shape)


def augmentation(numbers: Array, p: float, transforms: Sequence[str], shape: tuple[int, int, int]) -> Augmentation:
    """Return the augmentation of a batch of images of `shape` (H, W, C) by its random numbers (batch, 16)."""
    height, width, channels = shape
    parts = [_of_image(row.astype(np.float64), p, transforms, height, width, channels) for row in numbers]
    return Augmentation(*(np.array(each) for each in zip(*parts, strict=True)))


def adapt_p(p: float, separation: float, target: float, share: float) -> float:
    """Adjust p after a batch: add `share` if D separates real from generated images too well, else subtract it.

    `separation` is the mean sign of D's logits on real images minus those on generated ones. D separates them too well
    if it exceeds `target`; if it equals `target`, p stays. p stays in [0, 0.8].
    """
    return float(np.clip(p + share * np.sign(np.round(separation - target, 6)), 0, 0.8))


def _of_image(
    u: Array, p: float, transforms: Sequence[str], height: int, width: int, channels: int
) -> tuple[Array, Array, float, Array]:
    def ways(name: str, where: slice) -> list[float]:
        gate, *rest = u[where]
        return [2 * number - 1 if name in transforms and gate < p else 0.0 for number in rest]

    (down, right), (larger,), (turned,) = ways("shift", SHIFT), ways("scale", SCALE), ways("rotate", ROTATE)
    side = -1 if "flip" in transforms and u[FLIP] < p / 2 else 1
    angle, scale = pi * turned, 2 ** (0.2 * sqrt(3) * larger)
    centre = np.array([height - 1, width - 1]) / 2
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2) - centre
    turn = scale * np.array([[cos(angle), sin(angle)], [-side * sin(angle), side * cos(angle)]])
    rows, columns = (places @ turn.T + centre + np.array([height * down, width * right]) / 8).T
    resampling = _interpolation(rows, height)[:, :, None] * _interpolation(columns, width)[:, None, :]

    brightness, contrast, saturation, hue = ways("colour", COLOUR)
    colour = np.eye(channels)
    if channels == 3:
        grey, cross = np.full((3, 3), 1 / 3), np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / sqrt(3)
        rotation = cos(pi * hue) * (np.eye(3) - grey) + sin(pi * hue) * cross
        colour = grey + 2 ** (sqrt(3) * saturation) * rotation
    colour = 2 ** (0.5 * sqrt(3) * contrast) * colour

    gate, y, x = u[CUTOUT]
    middle = np.array([y * height, x * width])
    inside = (np.abs(places + centre + 0.5 - middle) < CUT_SHARE * np.array([height, width]) / 2).all(1)
    cut = "cutout" in transforms and gate < p
    keep = np.where(inside & cut, 0.0, 1.0)
    return resampling.reshape(height * width, -1), colour, 0.2 * sqrt(3) * brightness, keep


def _interpolation(at: Array, size: int) -> Array:
    """(places, size): the weight of each pixel at each place, summed over its mirror images to either side."""
    pixels = np.arange(size)
    copies = np.concatenate([[pixels + 2 * size * k, -1 - pixels + 2 * size * k] for k in range(-6, 7)])
    return np.maximum(0, 1 - np.abs(at[:, None, None] - copies)).sum(1)
