"""L1: networks and losses."""

import numpy as np

from alae_conformance.reference.layers import Dense, Leaky, PixelNorm
from alae_conformance.reference.losses import hinge, linear, mirror_term, softplus
from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.registry import fault


def channels_first(array, shape):
    """Flatten as NCHW."""
    return np.moveaxis(array.reshape(len(array), *shape), -1, 1).reshape(len(array), -1)


@fault("E flattens images channels first", "L1-leaky-values", "forward")
class FlattenChannelsFirst(Reference):
    def __init__(self, config):
        super().__init__(config)
        self.networks["E"].flatten = lambda x: channels_first(x, config.image) if x.ndim == 4 else x.reshape(len(x), -1)


@fault("G unflattens images channels first", "L1-leaky-values", "forward")
class UnflattenChannelsFirst(Reference):
    def __init__(self, config):
        super().__init__(config)
        h, w, c = config.image
        self.networks["G"].unflatten = lambda x, shape: (
            np.moveaxis(x.reshape(len(x), c, h, w), 1, -1) if len(shape) == 3 else x.reshape(len(x), *shape)
        )


def with_layers(change):
    """Return a reference in which `change` replaces each layer."""

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            for network in self.networks.values():
                network.layers = [changed for layer in network.layers if (changed := change(layer)) is not None]

    return Changed


@fault("leaky ReLU has slope 0.01", "L1-leaky-values", "forward")
class OtherSlope(with_layers(lambda layer: Leaky(0.01) if layer == Leaky(0.2) else layer)):
    pass


@fault("pixel norm is missing", "L1-smooth-values", "forward")
class NoPixelNorm(with_layers(lambda layer: None if isinstance(layer, PixelNorm) else layer)):
    pass


@fault("lrmul is applied to kernels but not to biases", "L1-official-values", "forward")
class BiasWithoutLrmul(
    with_layers(lambda layer: Dense(layer.name, layer.scale) if isinstance(layer, Dense) else layer)
):
    pass


@fault("labels do not reach G", "L1-labels-values", "forward")
class LabelsNotInG(Reference):
    def __init__(self, config):
        super().__init__(config)
        forward = self.networks["G"].forward
        self.networks["G"].forward = lambda weights, x, direction=None, labels=None: forward(
            weights, x, direction, None if labels is None else 0 * labels
        )


@fault("float32 under a float64 label: outputs", "L1-leaky-values", "forward", "float64")
class Float32Outputs(ReferenceSubject):
    def forward(self, inputs):
        return {name: array.astype(np.float32) for name, array in super().forward(inputs).items()}


@fault("more than 512 inputs give only 512 outputs", "L1-leaky-many", "forward")
class ChunkOnly(ReferenceSubject):
    def forward(self, inputs):
        return {name: array[:512] for name, array in super().forward(inputs).items()}


@fault("inputs after the 512th are replaced by the first ones", "L1-leaky-many", "forward")
class ChunkAgain(ReferenceSubject):
    def forward(self, inputs):
        return {
            name: np.resize(array[:512], array.shape).astype(array.dtype)
            for name, array in super().forward(inputs).items()
        }


@fault("the input gradient is that of the mean of D(E(x)), not of the sum", "L1-leaky-values", "input_gradient")
class GradientOfTheMean(ReferenceSubject):
    def input_gradient(self, inputs):
        logits, gradient = super().input_gradient(inputs)
        return logits, gradient / len(logits)


class Penalised(Reference):
    """R1 with another penalty and an unchanged gradient."""

    def discriminator(self, weights, batch):
        loss, gradients = super().discriminator(weights, batch)
        _, g = self.input_gradient(weights, batch)
        right = self.gamma / 2 * (g * g).sum() / len(g)
        return loss - right + self.gamma / 2 * self.penalty(weights, batch, g), gradients


@fault("R1 is multiplied by γ instead of γ/2", "L1-leaky-values", "losses")
class GammaNotHalved(Penalised):
    def penalty(self, weights, batch, g):
        return 2 * (g * g).sum() / len(g)


@fault("γ is 1 % too large", "L1-leaky-values", "losses")
class GammaOnePercent(Penalised):
    def penalty(self, weights, batch, g):
        return 1.01 * (g * g).sum() / len(g)


@fault("R1 is missing", "L1-leaky-values", "losses")
class NoR1(Penalised):
    def penalty(self, weights, batch, g):
        return 0


@fault("R1 uses the gradient with respect to parameters", "L1-leaky-values", "losses")
class R1OfParameters(Penalised):
    def penalty(self, weights, batch, g):
        E, D = self.networks["E"], self.networks["D"]
        e = E.forward(weights, batch.images, labels=batch.labels)
        d = D.forward(weights, e.output.value)
        back, first = D.backward(weights, d, np.ones(len(g)) / len(g))
        _, second = E.backward(weights, e, back.value)
        return sum((gradient**2).sum() for gradient in (first | second).values())


@fault("R1 uses the gradient with respect to E(x)", "L1-leaky-values", "losses")
class R1OfLatents(Penalised):
    def penalty(self, weights, batch, g):
        E, D = self.networks["E"], self.networks["D"]
        d = D.forward(weights, E.forward(weights, batch.images, labels=batch.labels).output.value)
        back, _ = D.backward(weights, d, np.ones(len(g)))
        return (back.value**2).sum() / len(g)


@fault("R1 is computed on generated images", "L1-leaky-values", "losses")
class R1OnFakes(Penalised):
    def penalty(self, weights, batch, g):
        F, G = self.networks["F"], self.networks["G"]
        fakes = G.forward(weights, F.forward(weights, batch.z).output.value, labels=batch.labels).output.value
        _, g = self.input_gradient(weights, batch._replace(images=fakes))
        return (g * g).sum() / len(g)


@fault("R1 uses the gradient of the mean logit", "L1-leaky-values", "losses")
class R1OfTheMean(Penalised):
    def penalty(self, weights, batch, g):
        return (g * g).sum() / len(g) ** 2


@fault("R1 is averaged over pixels instead of summed", "L1-leaky-values", "losses")
class R1OverPixels(Penalised):
    def penalty(self, weights, batch, g):
        return (g * g).mean()


@fault("R1 uses the norm instead of its square", "L1-leaky-values", "losses")
class R1Unsquared(Penalised):
    def penalty(self, weights, batch, g):
        return np.sqrt((g * g).sum((1, 2, 3))).mean()


def with_objective(name, **terms):
    """Return a reference with other terms of the objective `name`."""

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            if config.objective == name:
                self.objective = self.objective._replace(**terms)

    return Changed


@fault("softplus has the wrong sign in the discriminator's loss", "L1-leaky-values", "losses")
class DiscriminatorSign(with_objective("logistic", real=softplus, fake=mirror_term(softplus))):
    pass


@fault("softplus has the wrong sign in the generator's loss", "L1-leaky-values", "losses")
class GeneratorSign(with_objective("logistic", generator=softplus)):
    pass


@fault("the generator's loss is the saturating one", "L1-leaky-values", "losses")
class SaturatingGenerator(with_objective("logistic", generator=lambda t: tuple(-part for part in softplus(t)))):
    pass


@fault("hinge instead of softplus", "L1-leaky-values", "losses")
class HingeForSoftplus(with_objective("logistic", real=mirror_term(hinge), fake=hinge)):
    pass


def naive(t):
    with np.errstate(over="ignore", invalid="ignore"):
        return np.log(1 + np.exp(t)), np.exp(t) / (1 + np.exp(t))


# exp overflows above 88 in float32, and above 709 in float64, the reference's precision.
def naive_in_float32(t):
    value, slope = naive(np.asarray(t, np.float32))
    return value.astype(np.float64), slope.astype(np.float64)


@fault("log(1 + exp(t)) overflows", "L1-overflow-values", "losses")
class NaiveSoftplus(
    with_objective(
        "logistic", real=mirror_term(naive_in_float32), fake=naive_in_float32, generator=mirror_term(naive_in_float32)
    )
):
    pass


def cut_off(t):
    value, slope = softplus(t)
    return np.where(t > 20, t, value), np.where(t > 20, 1, slope)


@fault("softplus linear above 20, as Keras has it on PyTorch", "L1-large-values", "losses", "float64")
class CutOffSoftplus(
    with_objective("logistic", real=mirror_term(cut_off), fake=cut_off, generator=mirror_term(cut_off))
):
    pass


@fault("the Wasserstein critic has the wrong sign", "L1-wasserstein-values", "losses")
class WassersteinSign(with_objective("wasserstein", real=linear, fake=mirror_term(linear))):
    pass


def no_margin(t):
    return np.maximum(t, 0), np.where(t > 0, 1.0, 0.0)


@fault("the hinge lacks its margin", "L1-hinge-values", "losses")
class HingeWithoutMargin(with_objective("hinge", real=mirror_term(no_margin), fake=no_margin)):
    pass


class Rescaled(Reference):
    """A reference that multiplies one update's loss and gradient."""

    update, factor = "", 1.0

    def differentiate(self, update, weights, batch):
        loss, gradients = super().differentiate(update, weights, batch)
        factor = self.scale(batch) if update == self.update else 1.0
        return loss * factor, {name: gradient * factor for name, gradient in gradients.items()}

    def scale(self, batch):
        return self.factor


@fault("the discriminator's loss is summed over the batch", "L1-leaky-values", "losses")
class SumInDiscriminator(Rescaled):
    update = "discriminator"

    def scale(self, batch):
        return len(batch.images)


@fault("the generator's loss is summed over the batch", "L1-leaky-values", "losses")
class SumInGenerator(Rescaled):
    update = "generator"

    def scale(self, batch):
        return len(batch.images)


@fault("reciprocity is averaged over w under the paper's updates", "L1-leaky-values", "losses")
class MeanOverLatents(Rescaled):
    update, factor = "reciprocity", 1 / 7


@fault("reciprocity is summed over w under the authors' updates", "L1-official-values", "losses")
class SumOverLatents(Rescaled):
    update, factor = "reciprocity", 7


@fault("reciprocity uses half the squared norm", "L1-leaky-values", "losses")
class HalfReciprocity(Rescaled):
    update, factor = "reciprocity", 0.5


@fault("reciprocity uses the norm instead of its square", "L1-leaky-values", "losses")
class UnsquaredReciprocity(Reference):
    def distance(self, target, estimate):
        _, slope = super().distance(target, estimate)
        return np.sqrt(((target - estimate) ** 2).sum(1)).mean(), slope


@fault("reciprocity compares with z instead of F(z)", "L1-leaky-values", "losses")
class TargetZ(Reference):
    def reciprocity(self, weights, batch):
        self._z = batch.z
        return super().reciprocity(weights, batch)

    def distance(self, target, estimate):
        target = target.copy()
        target[:, : self._z.shape[1]] = self._z
        return super().distance(target, estimate)


@fault("reciprocity in both spaces lacks the pixel loss", "L1-labels-values", "losses")
class OnlyLatent(Reference):
    def reciprocity(self, weights, batch):
        self.config = self.config.model_copy(update={"reciprocity": "latent"})
        return super().reciprocity(weights, batch)
