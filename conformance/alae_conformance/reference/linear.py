"""Linear maps without weights on feature maps (batch, H, W, C) or vectors, with their transposed maps."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from alae_conformance.reference.layers import Array, Pair, Weights

#: the axes of rows and columns
PIXELS = (1, 2)


class Linear(ABC):
    """A linear map without weights. Tangents are mapped like values, and the transposed map propagates adjoints."""

    def forward(self, weights: Weights, x: Pair) -> Pair:
        return apply_to_both(self.apply, x)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        return apply_to_both(self.transposed, adjoint), {}

    @abstractmethod
    def apply(self, x: Array) -> Array:
        """Apply the map."""

    @abstractmethod
    def transposed(self, y: Array) -> Array:
        """Apply the transposed map."""


class Upsample(Linear):
    """Replace each pixel by 2×2 copies."""

    def apply(self, x: Array) -> Array:
        return x.repeat(2, axis=1).repeat(2, axis=2)

    def transposed(self, y: Array) -> Array:
        return 4 * average_blocks(y, 2)


class UpsampleBilinear(Linear):
    """Double both sides, one axis after the other.

    Pixel i becomes ¾·x[i] + ¼·x[i−1] and ¾·x[i] + ¼·x[i+1]; beyond the border the outermost pixels repeat.
    """

    def apply(self, x: Array) -> Array:
        for axis in PIXELS:
            x = np.moveaxis(self.double(np.moveaxis(x, axis, 0)), 0, axis)
        return x

    def transposed(self, y: Array) -> Array:
        for axis in PIXELS:
            y = np.moveaxis(self.halve(np.moveaxis(y, axis, 0)), 0, axis)
        return y

    def double(self, x: Array) -> Array:
        """Double the first axis."""
        before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
        pairs = np.stack([3 * x + before, 3 * x + after], 1) / 4
        return pairs.reshape(-1, *x.shape[1:])

    def halve(self, y: Array) -> Array:
        """Apply the transposed map of `double`: pixel i gathers from its own two, and from one of each neighbour."""
        first, second = y[::2], y[1::2]
        x = 3 * (first + second)
        x[:-1] += first[1:]
        x[1:] += second[:-1]
        x[0] += first[0]
        x[-1] += second[-1]
        return x / 4


class Downsample(Linear):
    """Average each block of 2×2 pixels."""

    def apply(self, x: Array) -> Array:
        return average_blocks(x, 2)

    def transposed(self, y: Array) -> Array:
        return Upsample().apply(y) / 4


class Blur(Linear):
    """Convolve each map with [1 2 1] ⊗ [1 2 1] / 16 and zero padding; the matrix is symmetric."""

    def apply(self, x: Array) -> Array:
        x = pad(x, 1)
        x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
        return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4

    def transposed(self, y: Array) -> Array:
        return self.apply(y)


class Centre(Linear):
    """Subtract the mean of each map: a projection, so the transposed map is the same."""

    def apply(self, x: Array) -> Array:
        return x - x.mean(PIXELS, keepdims=True)

    def transposed(self, y: Array) -> Array:
        return self.apply(y)


@dataclass(frozen=True)
class Flatten(Linear):
    """Flatten (batch, H, W, C) to (batch, H·W·C): rows, columns, then channels."""

    height: int = 4
    width: int = 4

    def apply(self, x: Array) -> Array:
        return x.reshape(len(x), prod(x.shape[1:]))

    def transposed(self, y: Array) -> Array:
        return y.reshape(len(y), self.height, self.width, -1)


@dataclass(frozen=True)
class Unflatten(Linear):
    """The inverse of `Flatten`, which is also its transposed map."""

    height: int
    width: int

    def apply(self, x: Array) -> Array:
        return Flatten(self.height, self.width).transposed(x)

    def transposed(self, y: Array) -> Array:
        return Flatten(self.height, self.width).apply(y)


@dataclass(frozen=True)
class Append(Linear):
    """Append constant columns, such as one-hot labels, to (batch, n). Not linear, but its derivative is."""

    columns: Array

    def forward(self, weights: Weights, x: Pair) -> Pair:
        still = None if x.tangent is None else np.concatenate([x.tangent, np.zeros_like(self.columns)], 1)
        return Pair(self.apply(x.value), still)

    def apply(self, x: Array) -> Array:
        return np.concatenate([x, self.columns], 1)

    def transposed(self, y: Array) -> Array:
        return y[:, : y.shape[1] - self.columns.shape[1]]


def apply_to_both(fn: Callable[[Array], Array], pair: Pair) -> Pair:
    """Apply a linear map to value and tangent."""
    return Pair(fn(pair.value), None if pair.tangent is None else fn(pair.tangent))


def pad(x: Array, margin: int) -> Array:
    """Return maps with zeros around them, in `margin` rows and columns on each side."""
    # np.pad takes longer than the convolution of maps as small as these.
    batch, height, width, channels = x.shape
    padded = np.zeros((batch, height + 2 * margin, width + 2 * margin, channels), x.dtype)
    padded[:, margin : margin + height, margin : margin + width] = x
    return padded


def average_blocks(x: Array, size: int) -> Array:
    """Average each block of size × size pixels."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // size, size, width // size, size, channels).mean((2, 4))
