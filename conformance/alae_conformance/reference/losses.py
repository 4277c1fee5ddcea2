"""The adversarial objectives: terms of a logit, each with its derivative."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Term = Callable[[Array], tuple[Array, Array]]


class Objective(NamedTuple):
    """Per-sample terms: logits (batch,) to (values, derivatives).

    Without `fake`, terms are of pairs: `real` of D(real) − D(fake), `generator` of D(fake) − D(real).
    """

    real: Term
    fake: Term | None
    generator: Term


def softplus(t: Array) -> tuple[Array, Array]:
    """log(1 + exp(t)) without overflow or cancellation, and its derivative 1/(1 + exp(−t))."""
    positive = t.real > 0
    small = np.exp(np.where(positive, -t, t))
    return np.where(positive, t, 0) + np.log1p(small), np.where(positive, 1, small) / (1 + small)


def mirror_term(term: Term) -> Term:
    """t ↦ term(−t)."""

    def mirror(t: Array) -> tuple[Array, Array]:
        value, derivative = term(-t)
        return value, -derivative

    return mirror


def linear(t: Array) -> tuple[Array, Array]:
    """t."""
    return t, np.ones_like(t)


def hinge(t: Array) -> tuple[Array, Array]:
    """max(0, 1 + t)."""
    inside = np.where(1 + t.real > 0, 1.0, 0.0)
    return (1 + t) * inside, inside


OBJECTIVES = {
    # f(t) = −log(1 + exp(−t)), paper equation 5: −f(D(real)), −f(−D(fake)), and −f(D(fake)) for the generator
    "logistic": Objective(real=mirror_term(softplus), fake=softplus, generator=mirror_term(softplus)),
    "wasserstein": Objective(real=mirror_term(linear), fake=linear, generator=mirror_term(linear)),
    "hinge": Objective(real=mirror_term(hinge), fake=hinge, generator=mirror_term(linear)),
    # −f(D(real) − D(fake)), and −f(D(fake) − D(real)) for the generator, with the logistic f (Jolicoeur-Martineau 2019)
    "relativistic": Objective(real=mirror_term(softplus), fake=None, generator=mirror_term(softplus)),
}
