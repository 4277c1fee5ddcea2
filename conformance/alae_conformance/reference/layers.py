"""Layers with hand-derived gradients of their value *and* of their directional derivative.

R1 penalises ∇ₓD(E(x)), so its own gradient differentiates twice. For the gradient g of a scalar s and a direction v
held constant, ∇_θ(v·g) is the gradient of the directional derivative ṡ of s along v. So a layer maps a pair (x, ẋ) to
(y, ẏ), where ẏ is the derivative of y along ẋ, and propagates adjoints (ȳ, ẏ̄) of both back to (x̄, ẋ̄) and its weights.
Without a direction, ẋ and everything computed from it is None.

All formulas are analytic except at the kink of a leaky ReLU, and hold for complex numbers, for the complex step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple, Protocol

import numpy as np

Array = np.ndarray
Weights = Mapping[str, Array]
Gradients = dict[str, Array]


class Pair(NamedTuple):
    """A value and its derivative along a direction, or None; also the adjoints of both."""

    value: Array
    tangent: Array | None = None


class Trace(NamedTuple):
    """One pass through networks: its output, and the function that propagates adjoints of the output back."""

    output: Pair
    pull: Callable[[Pair], tuple[Pair, Gradients]]


class Layer(Protocol):
    """One layer of a network."""

    def forward(self, weights: Weights, x: Pair) -> Pair:
        """Map (x, ẋ) to (y, ẏ)."""

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        """Propagate (ȳ, ẏ̄) to (x̄, ẋ̄), and return each weight's gradient too; `x` is the input of `forward`."""


@dataclass(frozen=True)
class Dense:
    """y = x · (kernel · scale) + bias · bias_scale, on (batch, fan_in)."""

    name: str
    scale: float = 1.0
    bias_scale: float = 1.0

    def forward(self, weights: Weights, x: Pair) -> Pair:
        kernel = weights[f"{self.name}/kernel"] * self.scale
        y = x.value @ kernel + weights[f"{self.name}/bias"] * self.bias_scale
        return Pair(y, None if x.tangent is None else x.tangent @ kernel)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        transposed = weights[f"{self.name}/kernel"].T * self.scale
        kernel = x.value.T @ adjoint.value
        if adjoint.tangent is not None and x.tangent is not None:
            kernel = kernel + x.tangent.T @ adjoint.tangent
        gradients = {
            f"{self.name}/kernel": kernel * self.scale,
            f"{self.name}/bias": adjoint.value.sum(0) * self.bias_scale,
        }
        back = None if adjoint.tangent is None else adjoint.tangent @ transposed
        return Pair(adjoint.value @ transposed, back), gradients


@dataclass(frozen=True)
class Leaky:
    """y = x where x > 0, slope · x elsewhere; its second derivative is zero."""

    slope: float

    def forward(self, weights: Weights, x: Pair) -> Pair:
        return self._multiply(x, x)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        return self._multiply(x, adjoint), {}

    def _multiply(self, x: Pair, pair: Pair) -> Pair:
        factor = np.where(x.value.real > 0, 1.0, self.slope)
        return Pair(pair.value * factor, None if pair.tangent is None else pair.tangent * factor)


class Tanh:
    """y = tanh x.

    With s = 1 − y², the derivative of y: ẏ = s·ẋ, and ds/dx = −2·y·s.
    """

    def forward(self, weights: Weights, x: Pair) -> Pair:
        y = np.tanh(x.value)
        return Pair(y, None if x.tangent is None else (1 - y * y) * x.tangent)

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        y = np.tanh(x.value)
        slope = 1 - y * y
        back = adjoint.value * slope
        if adjoint.tangent is None or x.tangent is None:
            return Pair(back), {}
        return Pair(back - 2 * y * slope * x.tangent * adjoint.tangent, adjoint.tangent * slope), {}


@dataclass(frozen=True)
class PixelNorm:
    """y = x·q with q = (mean x² + ε)^(−1/2) over `axes`, by default the last of (batch, n).

    Over the pixels of centred feature maps, this is instance norm.

    Along ẋ: q̇ = −q³·m with m = mean(x·ẋ), and ẏ = ẋ·q + x·q̇.
    """

    axes: tuple[int, ...] = (-1,)
    epsilon: float = 1e-8

    def forward(self, weights: Weights, x: Pair) -> Pair:
        q = self._q(x.value)
        if x.tangent is None:
            return Pair(x.value * q)
        return Pair(x.value * q, x.tangent * q - x.value * q**3 * self._mean(x.value * x.tangent))

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        q, n = self._q(x.value), prod(x.value.shape[axis] for axis in self.axes)
        q_by_x = -(q**3) * x.value / n
        back = adjoint.value * q + self._sum(adjoint.value * x.value) * q_by_x
        if adjoint.tangent is None or x.tangent is None:
            return Pair(back), {}
        m, along = self._mean(x.value * x.tangent), self._sum(adjoint.tangent * x.value)
        rate = -(q**3) * m
        rate_by_x = -3 * q**2 * m * q_by_x - q**3 * x.tangent / n
        back = back + self._sum(adjoint.tangent * x.tangent) * q_by_x + adjoint.tangent * rate + along * rate_by_x
        return Pair(back, adjoint.tangent * q + along * q_by_x), {}

    def _q(self, x: Array) -> Array:
        return (self._mean(x * x) + self.epsilon) ** -0.5

    def _mean(self, x: Array) -> Array:
        return x.mean(self.axes, keepdims=True)

    def _sum(self, x: Array) -> Array:
        return x.sum(self.axes, keepdims=True)
