"""The reference as it would be with fewer digits: what rounding does to a tape's numbers."""

from typing import Any

import numpy as np

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
        mantissa, exponent = np.frexp(x)
        return np.ldexp(np.round(np.ldexp(mantissa, self.digits)), exponent - self.digits)


def rounded(digits: int) -> type[Reference]:
    """A reference each of whose layers rounds: float32 has 24 digits, float64 53."""

    class RoundedReference(Reference):
        def __init__(self, config: Config) -> None:
            super().__init__(config)
            for network in self.networks.values():
                _round(network, digits)

    return RoundedReference


def _round(network: Any, digits: int) -> None:
    if hasattr(network, "chains"):
        network.chains = {name: [Rounded(layer, digits) for layer in chain] for name, chain in network.chains.items()}
    else:
        network.layers = [Rounded(layer, digits) for layer in network.layers]
