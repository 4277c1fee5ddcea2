"""Means and deviations of feature maps (batch, H, W, C) as layers, with hand-derived gradients."""

from dataclasses import dataclass

import numpy as np

from alae_conformance.reference.layers import Array, Pair, Weights
from alae_conformance.reference.linear import PIXELS, Centre


@dataclass(frozen=True)
class Statistics:
    """y (batch, 2C): the mean μ of each map, then its deviation d = (mean c² + ε)^(1/2), where c = x − μ.

    Along ẋ: μ̇ = mean ẋ and ḋ = m/d with m = mean(c·ċ).
    """

    epsilon: float = 1e-10

    def forward(self, weights: Weights, x: Pair) -> Pair:
        c, d = self._centre_and_deviation(x.value)
        y = np.concatenate([x.value.mean(PIXELS), d], 1)
        if x.tangent is None:
            return Pair(y)
        m = (c * x.tangent).mean(PIXELS)  # mean c = 0, so the mean of ẋ drops out
        return Pair(y, np.concatenate([x.tangent.mean(PIXELS), m / d], 1))

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        (c, d), n = self._centre_and_deviation(x.value), x.value.shape[1] * x.value.shape[2]
        by_mean, by_d = np.split(adjoint.value, 2, 1)
        if adjoint.tangent is None or x.tangent is None:
            return Pair((_maps(by_mean) + _maps(by_d / d) * c) / n), {}
        by_mean_rate, by_rate = np.split(adjoint.tangent, 2, 1)
        still, m = Centre().apply(x.tangent), (c * x.tangent).mean(PIXELS)
        by_d = by_d - by_rate * m / d**2
        back = _maps(by_mean) + _maps(by_d / d) * c + _maps(by_rate / d) * still
        return Pair(back / n, (_maps(by_mean_rate) + _maps(by_rate / d) * c) / n), {}

    def _centre_and_deviation(self, x: Array) -> tuple[Array, Array]:
        c = Centre().apply(x)
        return c, ((c * c).mean(PIXELS) + self.epsilon) ** 0.5


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
        by_image = adjoint[..., -1].sum(PIXELS)
        groups = self._places(count).shape[1]
        found = np.zeros(groups, adjoint.dtype)
        np.add.at(found, np.arange(count) % groups, by_image)
        return found[:, None, None, None]


def _maps(x: Array) -> Array:
    """Reshape (batch, C) to broadcast over feature maps."""
    return x[:, None, None, :]
