"""F and D of style networks that take labels: perceptrons on z and a label, and on w with a logit for each class."""

from math import sqrt
from typing import NamedTuple

import numpy as np

from alae_conformance.reference import mlp
from alae_conformance.reference.layers import Array, Pair, PixelNorm, Weights
from alae_conformance.reference.linear import apply_to_both


class LabelledTrace(NamedTuple):
    """One pass through D: see `mlp.MlpTrace`; and the labels that selected the logits."""

    output: Pair
    inputs: list[Pair]
    shape: tuple[int, ...]
    labels: Array


class Mapping(mlp.Network):
    """F: the dense layers get z/rms(z) and, in the columns after it, the one-hot label times √z."""

    def forward(
        self, weights: Weights, x: Array, direction: Array | None = None, labels: Array | None = None
    ) -> mlp.MlpTrace:
        """Compute w; `labels` are one-hot, and `backward` returns the adjoint of z/rms(z)."""
        unit = PixelNorm().forward(weights, Pair(x)).value
        return super().forward(weights, unit, None, None if labels is None else self.strength(x) * labels)

    def strength(self, z: Array) -> float:
        """Return the norm of z/rms(z), which the label's columns have, too."""
        return sqrt(z.shape[1])


class Critic(mlp.Network):
    """D on w: of its outputs, one for each class, the label selects the logit: s = Σ_k label_k · output_k."""

    def forward(  # type: ignore[override]
        self, weights: Weights, x: Array, direction: Array | None = None, labels: Array | None = None
    ) -> LabelledTrace:
        """Compute the logits (batch,), with their derivative along `direction` if one is given."""
        trace = super().forward(weights, x, direction)
        selected = np.empty(0) if labels is None else labels
        return LabelledTrace(select(trace.output, selected), trace.inputs, trace.shape, selected)

    def backward(  # type: ignore[override]
        self, weights: Weights, trace: LabelledTrace, adjoint: Array, tangent_adjoint: Array | None = None
    ) -> tuple[Pair, dict[str, Array]]:
        """See `mlp.Network.backward`; the adjoints have a number for each logit."""
        spread = spread_over_classes(Pair(adjoint, tangent_adjoint), trace.labels)
        return super().backward(weights, mlp.MlpTrace(*trace[:3]), spread.value, spread.tangent)


def select(outputs: Pair, labels: Array) -> Pair:
    """Return the output of each row's class, (batch,): a linear map, so the tangent is mapped like the value."""
    return apply_to_both(lambda array: (array * labels).sum(1), outputs)


def spread_over_classes(adjoint: Pair, labels: Array) -> Pair:
    """Propagate the adjoint of `select` to the outputs of all classes, (batch, classes)."""
    return apply_to_both(lambda array: array[:, None] * labels, adjoint)
