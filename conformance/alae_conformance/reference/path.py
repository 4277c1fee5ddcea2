"""Passes through networks that branch."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from alae_conformance.reference.layers import Gradients, Layer, Pair, Weights
from alae_conformance.reference.linear import apply_to_both


class Path:
    """One pass through a network that branches: its pairs by number, and the operations that computed them."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.pairs: list[Pair] = []
        self._steps: list[tuple[int, tuple[int, ...], Callable[[Pair], tuple[Sequence[Pair], Gradients]]]] = []

    def enter(self, pair: Pair) -> int:
        """Add an input, and return its number."""
        self.pairs.append(pair)
        return len(self.pairs) - 1

    def through(self, x: int, *layers: Layer) -> int:
        """Apply layers in sequence to pair `x`, and return the number of the result."""
        for layer in layers:
            y = self.enter(layer.forward(self.weights, self.pairs[x]))
            self._steps.append((y, (x,), partial(_single, layer, self.weights, self.pairs[x])))
            x = y
        return x

    def sum(self, *terms: tuple[float, int]) -> int:
        """Add the sum of factor · pair, and return its number."""
        y = self.enter(_sum([_times(factor, self.pairs[x]) for factor, x in terms]))
        factors, inputs = zip(*terms, strict=True)
        self._steps.append((y, inputs, lambda adjoint: ([_times(factor, adjoint) for factor in factors], {})))
        return y

    def modulate(self, x: int, style: int) -> int:
        """Add x · (s₀ + 1) + s₁ for a style [s₀, s₁] (batch, 2C); values only, since no direction passes through G."""
        maps, (s0, s1) = self.pairs[x].value, np.split(self.pairs[style].value[:, None, None], 2, 3)

        def pull(adjoint: Pair) -> tuple[Sequence[Pair], Gradients]:
            back = adjoint.value
            by_style = np.concatenate([(back * maps).sum((1, 2)), back.sum((1, 2))], 1)
            return [Pair(back * (s0 + 1)), Pair(by_style)], {}

        y = self.enter(Pair(maps * (s0 + 1) + s1))
        self._steps.append((y, (x, style), pull))
        return y

    def pull(self, y: int, adjoint: Pair) -> tuple[dict[int, Pair], Gradients]:
        """Propagate the adjoint of `y` to all pairs that it depends on; returns them and each weight's gradient."""
        adjoints, gradients = {y: adjoint}, Gradients()
        for output, inputs, pull in reversed(self._steps):
            if output in adjoints:
                back, found = pull(adjoints[output])
                gradients |= found
                for x, part in zip(inputs, back, strict=True):
                    adjoints[x] = _sum([adjoints[x], part]) if x in adjoints else part
        return adjoints, gradients


def _single(layer: Layer, weights: Weights, x: Pair, adjoint: Pair) -> tuple[Sequence[Pair], Gradients]:
    back, gradients = layer.backward(weights, x, adjoint)
    return [back], gradients


def _times(factor: float, pair: Pair) -> Pair:
    return apply_to_both(lambda array: factor * array, pair)


def _sum(pairs: Sequence[Pair]) -> Pair:
    tangents = [pair.tangent for pair in pairs if pair.tangent is not None]
    return Pair(sum(pair.value for pair in pairs), sum(tangents) if tangents else None)  # type: ignore[arg-type]
