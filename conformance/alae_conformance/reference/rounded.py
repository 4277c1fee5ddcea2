"""Variants of the reference with rounding layers, which show how sensitive a tape is to rounding."""

from collections.abc import Callable
from typing import Any

import numpy as np

from alae_conformance.reference.baselines import reference_of
from alae_conformance.reference.features import both
from alae_conformance.reference.layers import Array, Layer, Pair, Weights
from alae_conformance.reference.training import Reference
from alae_core.config import Config


class Rounded:
    """A layer whose outputs and adjoints are rounded to `digits` binary digits."""

    def __init__(self, layer: Layer, digits: int) -> None:
        self.layer, self.digits = layer, digits

    def forward(self, weights: Weights, x: Pair) -> Pair:
        """Compute the layer's output, rounded."""
        return both(self.round, self.layer.forward(weights, x))

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        """Propagate the layer's adjoint, rounded; gradients of weights are exact."""
        back, gradients = self.layer.backward(weights, x, adjoint)
        return both(self.round, back), gradients

    def round(self, x: Array) -> Array:
        """Round to the layer's digits."""
        return nearest(x, self.digits)


def nearest(x: Array, digits: int) -> Array:
    """The nearest numbers of `digits` binary digits."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(np.ldexp(mantissa, digits)), exponent - digits)


def rounded(digits: int) -> Callable[[Config], Reference]:
    """A reference whose layers and first moments of Adam are rounded: 24 digits for float32, 53 for float64.

    For bfloat16, layers have 8 and moments 24.
    """
    return lambda config: _rounded(reference_of(config), digits)(config)


def _rounded(sound: type[Reference], digits: int) -> type[Reference]:
    stored = max(digits, 24)

    class RoundedReference(sound):  # type: ignore[misc, valid-type]
        def __init__(self, config: Config) -> None:
            super().__init__(config)
            for network in self.networks.values():
                _round(network, digits)

        def adam(
            self, value: Array, m: Array, v: Array, gradient: Array, t: int, learning_rate: float
        ) -> tuple[Array, Array, Array]:
            moved, _, v = super().adam(value, m, v, gradient, t, learning_rate)
            # TensorFlow's kernel adds a share of the difference between gradient and moment, which loses a gradient
            # that is ten million times smaller than the moment.
            difference = nearest(gradient - m, stored)
            return moved, nearest(m + (1 - self.config.adam.beta1) * difference, stored), v

    return RoundedReference


def _round(network: Any, digits: int) -> None:
    if hasattr(network, "chains"):
        network.chains = {name: [Rounded(layer, digits) for layer in chain] for name, chain in network.chains.items()}
    else:
        network.layers = [Rounded(layer, digits) for layer in network.layers]
