"""The reference as it would be with fewer digits: what rounding does to a tape's numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from alae_conformance.reference.baselines import reference_of
from alae_conformance.reference.features import both
from alae_conformance.reference.layers import Array, Layer, Pair, Weights
from alae_conformance.reference.training import Reference
from alae_core.config import Config


class Rounded:
    """A layer whose outputs and adjoints keep so many binary digits."""

    def __init__(self, layer: Layer, digits: int) -> None:
        self.layer, self.digits = layer, digits

    def forward(self, weights: Weights, x: Pair) -> Pair:
        """The layer's output, rounded."""
        return both(self.round, self.layer.forward(weights, x))

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        """The layer's adjoint, rounded, and the gradients of its weights."""
        back, gradients = self.layer.backward(weights, x, adjoint)
        return both(self.round, back), gradients

    def round(self, x: Array) -> Array:
        """The nearest numbers of so many digits."""
        return nearest(x, self.digits)


def nearest(x: Array, digits: int) -> Array:
    """The numbers of so many binary digits that are nearest to some."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(np.ldexp(mantissa, digits)), exponent - digits)


def rounded(digits: int) -> Callable[[Config], Reference]:
    """A reference each of whose layers rounds, and Adam's first moment: float32 has 24 digits, float64 53.

    bfloat16 has 8 in layers, and keeps moments in float32.
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
            # TensorFlow's kernel moves the moment by a share of what is between: of a gradient that is ten million
            # times smaller than the one before, nothing is left.
            between = nearest(gradient - m, stored)
            return moved, nearest(m + (1 - self.config.adam.beta1) * between, stored), v

    return RoundedReference


def _round(network: Any, digits: int) -> None:
    if hasattr(network, "chains"):
        network.chains = {name: [Rounded(layer, digits) for layer in chain] for name, chain in network.chains.items()}
    else:
        network.layers = [Rounded(layer, digits) for layer in network.layers]
