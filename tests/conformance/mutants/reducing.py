"""L3: steps that bypass `reduce`."""

import numpy as np

from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.registry import fault


@fault("losses are not reduced", "L3-spread-reduced", "losses")
class LossUnreduced(Reference):
    def step(self, state, images, draws, labels=None):
        state, losses = super().step(state, images, draws, labels)
        return state, {name: loss / self.reduction for name, loss in losses.items()}


class Unreduced(Reference):
    """Leaves some gradients unreduced."""

    def apply(self, state, update, gradients):
        bare = {
            name: each / self.reduction if self.bypasses(update, name) else each for name, each in gradients.items()
        }
        super().apply(state, update, bare)


@fault("gradients are not reduced", "L3-spread-reduced", "moments")
class GradientsUnreduced(Unreduced):
    def bypasses(self, update, name):
        return True


@fault("gradients of the update reciprocity are not reduced", "L3-style-reduced", "moments")
class ReciprocityUnreduced(Unreduced):
    def bypasses(self, update, name):
        return update == "reciprocity"


@fault("gradients of biases are not reduced", "L3-adaptive-reduced", "moments")
class BiasesUnreduced(Unreduced):
    def bypasses(self, update, name):
        return name.endswith("bias")


@fault("gradients of noise weights are not reduced", "L3-style-reduced", "moments")
class NoiseUnreduced(Unreduced):
    def bypasses(self, update, name):
        return name.endswith("noise")


@fault("gradients are reduced twice", "L3-adaptive-reduced", "moments")
class ReducedTwice(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, {name: self.reduction * each for name, each in gradients.items()})


@fault("the mean of w is not reduced", "L3-spread-reduced", "w_mean")
class MeanUnreduced(Reference):
    def mean_step(self, weights, mean, z, labels):
        beta = self.config.style.w_mean_beta
        return beta * mean + (super().mean_step(weights, mean, z, labels) - beta * mean) / self.reduction


@fault("the separation is not reduced", "L3-adaptive-reduced", "augment_p")
class SeparationUnreduced(Reference):
    def p_step(self, weights, p, batch, batch_size):
        reduction, self.reduction = self.reduction, 1.0
        moved = super().p_step(weights, p, batch, batch_size)
        self.reduction = reduction
        return moved


@fault("Adam's weights are reduced, but its moments are not", "L3-style-reduced", "moments")
class MomentsUnreduced(Reference):
    def adam(self, value, m, v, gradient, t, learning_rate):
        moved, m, v = super().adam(value, m, v, gradient, t, learning_rate)
        return moved, m / self.reduction, v / np.square(self.reduction)


@fault("the loss of the update pixels is reduced in training only", "L3-entwined-reduced", "losses", "float64")
class PixelsLookedAt(ReferenceSubject):
    def losses(self, inputs):
        found = super().losses(inputs)
        return found | {"pixels": found["pixels"] / self.reference.reduction}
