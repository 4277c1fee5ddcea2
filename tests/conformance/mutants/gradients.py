"""L2: correct losses with wrong gradients."""

import numpy as np

from alae_conformance.reference.layers import Pair, PixelNorm
from alae_conformance.reference.losses import hinge, mirror_term, softplus
from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import add
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.outputs import naive_in_float32, with_layers, with_objective
from tests.conformance.mutants.registry import fault


def in_place_of_gradients(update, change):
    """Return a reference with correct losses and a changed gradient of one update."""

    class Changed(Reference):
        def differentiate(self, which, weights, batch):
            loss, gradients = super().differentiate(which, weights, batch)
            return loss, change(self, weights, batch, gradients) if which == update else gradients

    return Changed


def without_r1(reference, weights, batch, gradients):
    unpenalised = Reference(reference.config.model_copy(update={"r1_gamma": 0.0}))
    return unpenalised.differentiate("discriminator", weights, batch)[1]


@fault(
    "R1 is detached: its loss is right, its gradient lacks the second derivative",
    "L2-leaky-gradients",
    "gradients",
)
class DetachedR1(in_place_of_gradients("discriminator", without_r1)):
    pass


class WithoutCurvature(PixelNorm):
    """A pixel norm with its second derivative treated as zero."""

    def backward(self, weights, x, adjoint):
        back, gradients = super().backward(weights, Pair(x.value), Pair(adjoint.value))
        if adjoint.tangent is None:
            return back, gradients
        return Pair(back.value, super().backward(weights, Pair(x.value), Pair(adjoint.tangent))[0].value), gradients


@fault("R1's gradient lacks the curvature of layers", "L2-smooth-gradients", "gradients")
class NoCurvature(with_layers(lambda layer: WithoutCurvature() if isinstance(layer, PixelNorm) else layer)):
    pass


def only_of(*networks):
    def change(reference, weights, batch, gradients):
        return {
            name: gradient if name[0] in networks else np.zeros_like(gradient) for name, gradient in gradients.items()
        }

    return change


@fault("G is detached in reciprocity", "L2-leaky-gradients", "gradients")
class DetachedG(in_place_of_gradients("reciprocity", only_of("E"))):
    pass


def free_target(reference, weights, batch, gradients):
    """Add d‖F(z) − e‖²/dF(z) to F's gradient."""
    F, G, E = (reference.networks[name] for name in "FGE")
    f = F.forward(weights, batch.z)
    e = E.forward(weights, G.forward(weights, f.output.value).output.value).output.value
    _, slope = reference.distance(f.output.value, e)
    return add(gradients, F.backward(weights, f, -slope)[1])


@fault("the target F(z) is not constant where F is trained", "L2-official-gradients", "gradients")
class FreeTarget(in_place_of_gradients("reciprocity", free_target)):
    pass


@fault("the authors' reciprocity update does not train F", "L2-official-gradients", "gradients")
class NoFInReciprocity(Reference):
    def trains(self):
        return super().trains() | {"reciprocity": "EG"}


@fault("networks that an update does not train get zero gradients instead of none", "L2-leaky-gradients", "gradients")
class ZeroForUntrained(Reference):
    def differentiate(self, update, weights, batch):
        loss, gradients = super().differentiate(update, weights, batch)
        return loss, {name: gradients.get(name, np.zeros_like(weight)) for name, weight in weights.items()}

    def apply(self, state, update, gradients):
        trained = self.trains()[update]
        super().apply(state, update, {name: gradients[name] for name in gradients if name[0] in trained})


def label_rows_lost(reference, weights, batch, gradients):
    gradients["E/dense0/kernel"] = gradients["E/dense0/kernel"].copy()
    gradients["E/dense0/kernel"][30:] = 0
    return gradients


@fault("the rows of E's first kernel that read labels get no gradient", "L2-labels-gradients", "gradients")
class LabelRowsLost(in_place_of_gradients("discriminator", label_rows_lost)):
    pass


@fault("the Wasserstein generator's gradient has the wrong sign", "L2-wasserstein-gradients", "gradients")
class WassersteinGradient(
    in_place_of_gradients(
        "generator", lambda reference, weights, batch, gradients: {k: -v for k, v in gradients.items()}
    )
):
    pass


def leaking_hinge(t):
    value, _ = hinge(t)
    return value, np.ones_like(t)


@fault("the hinge has a gradient beyond its margin", "L2-hinge-gradients", "gradients")
class LeakingHinge(with_objective("hinge", real=mirror_term(leaking_hinge), fake=leaking_hinge)):
    pass


def overflowing_slope(t):
    value, _ = softplus(t)
    return value, naive_in_float32(t)[1]


@fault("exp(t) / (1 + exp(t)) overflows to NaN in the gradient alone", "L2-overflow-gradients", "gradients")
class OverflowingSlope(with_objective("logistic", real=mirror_term(overflowing_slope), fake=overflowing_slope)):
    pass


@fault("computing gradients counts as a step", "L2-leaky-gradients", "still")
class LookingMoves(ReferenceSubject):
    def gradients(self, update, inputs):
        self._state["step"] = self._state["step"] + 1
        return super().gradients(update, inputs)


@fault("losses and gradients use the weights of their first call", "L2-smooth-reloaded", "gradients")
class FirstGradients(ReferenceSubject):
    first = None

    def _differentiate(self, update, inputs):
        self.first = self.first or self._weights()
        return self.reference.differentiate(update, self.first, self._batch(update, inputs))


@fault("outputs use the weights of their first call", "L2-smooth-reloaded", "forward")
class FirstOutputs(ReferenceSubject):
    first = None

    def forward(self, inputs):
        self.first, now = self.first or self._state, self._state
        self._state = self.first
        found = super().forward(inputs)
        self._state = now
        return found
