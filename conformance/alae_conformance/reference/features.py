"""Layers on feature maps (batch, H, W, C) that map pairs as those in `layers.py` do, with hand-derived gradients."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from alae_conformance.reference.layers import Array, Pair, Weights

_PIXELS = (1, 2)


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
        for axis in _PIXELS:
            x = np.moveaxis(self.double(np.moveaxis(x, axis, 0)), 0, axis)
        return x

    def transposed(self, y: Array) -> Array:
        for axis in _PIXELS:
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
        x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
        return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4

    def transposed(self, y: Array) -> Array:
        return self.apply(y)


class Centre(Linear):
    """Subtract the mean of each map: a projection, so the transposed map is the same."""

    def apply(self, x: Array) -> Array:
        return x - x.mean(_PIXELS, keepdims=True)

    def transposed(self, y: Array) -> Array:
        return self.apply(y)


@dataclass(frozen=True)
class Conv:
    """y = x ∗ (kernel · scale), a cross-correlation with zero padding; kernel is (k, k, in, out)."""

    name: str
    scale: float

    def forward(self, weights: Weights, x: Pair) -> Pair:
        kernel = weights[f"{self.name}/kernel"] * self.scale
        return apply_to_both(lambda maps: _convolve(maps, kernel), x)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        kernel = weights[f"{self.name}/kernel"] * self.scale
        flipped = kernel[::-1, ::-1].swapaxes(2, 3)
        gradient = self._kernel_gradient(x.value, adjoint.value, len(kernel))
        if adjoint.tangent is not None and x.tangent is not None:
            gradient = gradient + self._kernel_gradient(x.tangent, adjoint.tangent, len(kernel))
        back = apply_to_both(lambda maps: _convolve(maps, flipped), adjoint)
        return back, {f"{self.name}/kernel": gradient * self.scale}

    def _kernel_gradient(self, x: Array, adjoint: Array, size: int) -> Array:
        images_and_pixels = ([0, 1, 2], [0, 1, 2])
        return np.tensordot(_windows(x, size), adjoint, images_and_pixels).transpose(1, 2, 0, 3)


@dataclass(frozen=True)
class StrideConv:
    """A 4×4 cross-correlation at every second pixel, with one row or column of zeros on each side; halves both sides.

    Output pixel (i, j) sees input rows 2i − 1 … 2i + 2 and columns 2j − 1 … 2j + 2. The kernel is (4, 4, in, out).
    """

    name: str

    def forward(self, weights: Weights, x: Pair) -> Pair:
        kernel = weights[f"{self.name}/kernel"]
        return apply_to_both(lambda maps: sum(part @ kernel[tap] for tap, part in self.taps(self.pad(maps))), x)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        kernel = weights[f"{self.name}/kernel"]
        gradient = self.kernel_gradient(x.value, adjoint.value)
        if adjoint.tangent is not None and x.tangent is not None:
            gradient = gradient + self.kernel_gradient(x.tangent, adjoint.tangent)
        back = apply_to_both(lambda maps: self.scatter(maps, kernel, x.value.shape), adjoint)
        return back, {f"{self.name}/kernel": gradient}

    def pad(self, x: Array) -> Array:
        """Add the zeros around the maps."""
        return np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])

    def taps(self, padded: Array) -> Iterator[tuple[tuple[int, int], Array]]:
        """Yield each place of the kernel, and the padded input's pixels that it multiplies, as views."""
        height, width = padded.shape[1] - 2, padded.shape[2] - 2
        for a, b in product(range(4), repeat=2):
            yield (a, b), padded[:, a : a + height : 2, b : b + width : 2]

    def kernel_gradient(self, x: Array, adjoint: Array) -> Array:
        """Return the kernel's gradient from an input and an adjoint of the output."""
        found = np.stack([np.tensordot(part, adjoint, ([0, 1, 2], [0, 1, 2])) for _, part in self.taps(self.pad(x))])
        return found.reshape(4, 4, *found.shape[1:])

    def scatter(self, adjoint: Array, kernel: Array, shape: tuple[int, ...]) -> Array:
        """Propagate an adjoint of the output to the input, of this shape."""
        padded = self.pad(np.zeros(shape, np.result_type(adjoint, kernel)))
        for tap, part in self.taps(padded):
            part += adjoint @ kernel[tap].T
        return padded[:, 1:-1, 1:-1]


@dataclass(frozen=True)
class Bias:
    """y = x + bias, with one number per channel."""

    name: str

    def forward(self, weights: Weights, x: Pair) -> Pair:
        return Pair(x.value + weights[f"{self.name}/bias"], x.tangent)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        return adjoint, {f"{self.name}/bias": adjoint.value.sum((0, 1, 2))}


@dataclass(frozen=True)
class Noise:
    """y = x + noise · weight, with one noise map per image or one for all, and one weight per channel."""

    name: str
    maps: Array

    def forward(self, weights: Weights, x: Pair) -> Pair:
        return Pair(x.value + self.maps * weights[f"{self.name}/noise"], x.tangent)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        return adjoint, {f"{self.name}/noise": (adjoint.value * self.maps).sum((0, 1, 2))}


@dataclass(frozen=True)
class Statistics:
    """y (batch, 2C): the mean μ of each map, then its deviation d = (mean c² + ε)^(1/2), where c = x − μ.

    Along ẋ: μ̇ = mean ẋ and ḋ = m/d with m = mean(c·ċ).
    """

    epsilon: float = 1e-10

    def forward(self, weights: Weights, x: Pair) -> Pair:
        c, d = self._centre_and_deviation(x.value)
        y = np.concatenate([x.value.mean(_PIXELS), d], 1)
        if x.tangent is None:
            return Pair(y)
        m = (c * x.tangent).mean(_PIXELS)  # mean c = 0, so the mean of ẋ drops out
        return Pair(y, np.concatenate([x.tangent.mean(_PIXELS), m / d], 1))

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        (c, d), n = self._centre_and_deviation(x.value), x.value.shape[1] * x.value.shape[2]
        by_mean, by_d = np.split(adjoint.value, 2, 1)
        if adjoint.tangent is None or x.tangent is None:
            return Pair((_maps(by_mean) + _maps(by_d / d) * c) / n), {}
        by_mean_rate, by_rate = np.split(adjoint.tangent, 2, 1)
        still, m = Centre().apply(x.tangent), (c * x.tangent).mean(_PIXELS)
        by_d = by_d - by_rate * m / d**2
        back = _maps(by_mean) + _maps(by_d / d) * c + _maps(by_rate / d) * still
        return Pair(back / n, (_maps(by_mean_rate) + _maps(by_rate / d) * c) / n), {}

    def _centre_and_deviation(self, x: Array) -> tuple[Array, Array]:
        c = Centre().apply(x)
        return c, ((c * c).mean(_PIXELS) + self.epsilon) ** 0.5


@dataclass(frozen=True)
class Flatten(Linear):
    """Flatten (batch, H, W, C) to (batch, H·W·C): rows, columns, then channels."""

    height: int = 4
    width: int = 4

    def apply(self, x: Array) -> Array:
        return x.reshape(len(x), -1)

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


@dataclass(frozen=True)
class Spread:
    """Add a channel that is constant over the pixels, and measures how much the images of a group differ.

    Its value is the mean, over pixels and channels, of d = (mean c² + ε)^(1/2), where c = x − μ; μ and the mean of c²
    are taken over the group. A group is `size` images, spaced evenly in the batch. If the batch does not fill the
    groups, its first images belong to two groups. Along ẋ: ḋ = m/d with m = mean(c·ẋ).
    """

    size: int = 4
    epsilon: float = 1e-8

    def forward(self, weights: Weights, x: Pair) -> Pair:
        c, d = self._centre_and_deviation(x.value)
        value = self._channel(x.value, d.mean((1, 2, 3)))
        if x.tangent is None:
            return Pair(value)
        m = (c * self._gather_groups(x.tangent)).mean(0)
        return Pair(value, self._channel(x.tangent, (m / d).mean((1, 2, 3))))

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        (c, d), count = self._centre_and_deviation(x.value), len(x.value)
        n = len(c) * d[0].size  # the divisor of both means
        by_d = self._by_group(adjoint.value, count)
        if adjoint.tangent is None or x.tangent is None:
            return Pair(adjoint.value[..., :-1] + self._scatter_groups(by_d / d * c / n, count)), {}
        tangent = self._gather_groups(x.tangent)
        still, m = tangent - tangent.mean(0), (c * tangent).mean(0)
        by_rate = self._by_group(adjoint.tangent, count)
        back = (by_d - by_rate * m / d**2) / d * c + by_rate / d * still
        value = adjoint.value[..., :-1] + self._scatter_groups(back / n, count)
        return Pair(value, adjoint.tangent[..., :-1] + self._scatter_groups(by_rate / d * c / n, count)), {}

    def _places(self, count: int) -> Array:
        """Return the image at each place of each group, (size, groups)."""
        size = min(self.size, count)
        return (np.arange(count + -count % size) % count).reshape(size, -1)

    def _gather_groups(self, x: Array) -> Array:
        return x[self._places(len(x))]

    def _scatter_groups(self, y: Array, count: int) -> Array:
        """Propagate the adjoint of places in groups to the images."""
        found = np.zeros((count, *y.shape[2:]), y.dtype)
        np.add.at(found, self._places(count), y)
        return found

    def _centre_and_deviation(self, x: Array) -> tuple[Array, Array]:
        grouped = self._gather_groups(x)
        c = grouped - grouped.mean(0)
        return c, ((c * c).mean(0) + self.epsilon) ** 0.5

    def _channel(self, x: Array, spread: Array) -> Array:
        group = np.arange(len(x)) % len(spread)
        return np.concatenate([x, np.broadcast_to(_maps(spread[group][:, None]), (*x.shape[:3], 1))], 3)

    def _by_group(self, adjoint: Array, count: int) -> Array:
        """Return the adjoint of each group's spread, (groups, 1, 1, 1)."""
        by_image = adjoint[..., -1].sum(_PIXELS)
        groups = self._places(count).shape[1]
        found = np.zeros(groups, adjoint.dtype)
        np.add.at(found, np.arange(count) % groups, by_image)
        return found[:, None, None, None]


def apply_to_both(fn: Callable[[Array], Array], pair: Pair) -> Pair:
    """Apply a linear map to value and tangent."""
    return Pair(fn(pair.value), None if pair.tangent is None else fn(pair.tangent))


def average_blocks(x: Array, size: int) -> Array:
    """Average each block of size × size pixels."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // size, size, width // size, size, channels).mean((2, 4))


def _windows(x: Array, size: int) -> Array:
    """Return the window of a kernel at each pixel, (batch, H, W, C, size, size), with zero padding."""
    margin = size // 2
    padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), _PIXELS)


def _convolve(x: Array, kernel: Array) -> Array:
    return np.tensordot(_windows(x, len(kernel)), kernel, ([4, 5, 3], [0, 1, 2]))


def _maps(x: Array) -> Array:
    """Reshape (batch, C) to broadcast over feature maps."""
    return x[:, None, None, :]
