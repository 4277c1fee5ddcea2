"""Variants of the reference that show how sensitive a tape is to rounding."""

from collections.abc import Callable
from typing import Any

import numpy as np

from alae_conformance.reference.baselines import reference_of
from alae_conformance.reference.layers import Array, Layer, Pair, Weights
from alae_conformance.reference.linear import apply_to_both
from alae_conformance.reference.training import Reference
from alae_core.config import Config

#: the largest residue of cancelling terms in float64, a few of its roundings, and how much coarser float32 is
_RESIDUE, _COARSER = 2.0**-48, 2.0**29


class Rounded:
    """A layer with its outputs and adjoints rounded to `digits` binary digits."""

    def __init__(self, layer: Layer, digits: int) -> None:
        self.layer, self.digits = layer, digits

    def forward(self, weights: Weights, x: Pair) -> Pair:
        """Compute the layer's output, rounded."""
        return apply_to_both(self.round, self.layer.forward(weights, x))

    def backward(self, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Pair, dict[str, Array]]:
        """Propagate the layer's adjoint, and add up gradients of its weights, each rounded once."""
        back, gradients = self.layer.backward(weights, x, adjoint)
        return apply_to_both(self.round, back), {name: self.round(each) for name, each in gradients.items()}

    def round(self, x: Array) -> Array:
        """Round to the layer's digits."""
        return round_to_digits(x, self.digits)


def round_to_digits(x: Array, digits: int) -> Array:
    """Round to the nearest numbers of `digits` binary digits."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(np.ldexp(mantissa, digits)), exponent - digits)


def make_rounded(digits: int) -> Callable[[Config], Reference]:
    """Build a reference with rounded layers and rounded first moments of Adam.

    `digits` is 24 for float32 and 53 for float64. For bfloat16 it is 8 in layers; moments then have 24.
    """
    return lambda config: _make_rounded_class(reference_of(config), digits)(config)


def make_residual(config: Config) -> Reference:
    """Build a reference in which terms of a gradient that cancel leave the last digits of float32, not of float64."""

    class ResidualReference(reference_of(config)):  # type: ignore[misc]
        def adam(
            self, value: Array, m: Array, v: Array, gradient: Array, t: int, learning_rate: float
        ) -> tuple[Array, Array, Array]:
            size = np.abs(gradient)
            is_residue = size < _RESIDUE * size.max(initial=0)
            return super().adam(value, m, v, np.where(is_residue, _COARSER * gradient, gradient), t, learning_rate)

    return ResidualReference(config)


def _make_rounded_class(sound: type[Reference], digits: int) -> type[Reference]:
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
            # TensorFlow's kernel adds a fraction of the difference between gradient and moment, which loses a gradient
            # that is ten million times smaller than the moment.
            difference = round_to_digits(gradient - m, stored)
            return moved, round_to_digits(m + (1 - self.config.adam.beta1) * difference, stored), v

    return RoundedReference


def _round(network: Any, digits: int) -> None:
    if hasattr(network, "chains"):
        network.chains = {name: [Rounded(layer, digits) for layer in chain] for name, chain in network.chains.items()}
    else:
        network.layers = [Rounded(layer, digits) for layer in network.layers]
