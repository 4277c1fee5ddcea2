"""L1 to L3: faults in baselines, reciprocity in z, plain encoders and D on images."""

from functools import partial
from math import prod

import numpy as np

from alae_conformance.reference.baselines import Autoencoder, Bigan, Vae
from alae_conformance.reference.layers import Pair
from alae_conformance.reference.statistics import Spread
from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.registry import fault


@fault("reciprocity in z compares the estimate with w", "L1-prior-values", "losses")
class AgainstW(Reference):
    def reciprocity(self, weights, batch):
        w = self.networks["F"].forward(weights, batch.z).output.value
        e = self.encode(weights, self.generate(weights, w, batch).output.value, batch)
        return self.distance(w, e.output.value)[0], {}


@fault("F gets the gradient of the target although the target is z", "L2-prior-gradients", "gradients")
class FollowsZ(Reference):
    def reciprocity(self, weights, batch):
        loss, gradients = super().reciprocity(weights, batch)
        f = self.networks["F"].forward(weights, batch.z)
        e = self.encode(weights, self.generate(weights, f.output.value, batch).output.value, batch)
        _, slope = self.distance(batch.z, e.output.value)
        _, more = self.networks["F"].backward(weights, f, -slope)
        return loss, gradients | {name: gradients[name] + value for name, value in more.items()}


class Stays(Reference):
    """A reference that does not train some networks."""

    stay = ""

    def apply(self, state, update, gradients):
        before = {**state}
        super().apply(state, update, gradients)
        state |= {name: before[name] for name in state if name.startswith(tuple(f"weights/{n}/" for n in self.stay))}


@fault("F is not trained by reciprocity in z", "L3-prior-substeps", "displacement")
class FrozenFInZ(Stays):
    stay = "F"


@fault("the autoencoder sums squares over pixels instead of averaging", "L1-autoencoder-values", "losses")
class SummedPixels(Autoencoder):
    def distance(self, target, estimate):
        distance, slope = super().distance(target, estimate)
        return distance * target[0].size, slope * target[0].size


@fault("the autoencoder's E does not get the labels", "L1-autoencoder-values", "forward")
class BlindE(Autoencoder):
    def encode(self, weights, images, batch, direction=None, by="E"):
        return super().encode(weights, images, batch._replace(labels=0 * batch.labels), direction, by)


@fault("the autoencoder's E gets half its gradient", "L2-autoencoder-gradients", "gradients")
class HalfForE(Autoencoder):
    def reconstruction(self, weights, batch):
        loss, gradients = super().reconstruction(weights, batch)
        return loss, {name: value / 2 if name.startswith("E") else value for name, value in gradients.items()}


@fault("the autoencoder's E is not trained", "L3-autoencoder-substeps", "displacement")
class FrozenEncoder(Stays, Autoencoder):
    stay = "E"


@fault("the autoencoder trains on the same batch at every step", "L3-autoencoder-run", "trajectory")
class OneBatch(Autoencoder):
    first = None

    def step(self, state, images, draws, labels=None):
        self.first = self.first or (images, labels)
        return super().step(state, self.first[0], draws, self.first[1])


class Divergence(Vae):
    """A VAE with another divergence from the prior."""

    def evidence(self, weights, batch):
        loss, gradients = super().evidence(weights, batch)
        mean, log_variance = (self.encode(weights, batch.images, batch, by=n).output.value for n in "EV")
        return loss + self.more(mean, log_variance), gradients


@fault("the KL divergence is averaged over w instead of summed", "L1-vae-values", "losses")
class AveragedDivergence(Divergence):
    def more(self, mean, log_variance):
        terms = mean**2 + np.exp(log_variance) - log_variance - 1
        return (1 / mean.shape[1] - 1) * terms.sum() / (2 * len(mean))


@fault("the KL divergence lacks its −1", "L1-vae-values", "losses")
class NotFromZero(Divergence):
    def more(self, mean, log_variance):
        return mean.shape[1] / 2


@fault("V's output is taken as log σ instead of log σ²", "L1-vae-values", "losses")
class LogDeviation(Vae):
    def encode(self, weights, images, batch, direction=None, by="E"):
        trace = super().encode(weights, images, batch, direction, by)
        return trace if by == "E" else trace._replace(output=Pair(2 * trace.output.value, trace.output.tangent))


@fault("V gets no gradient of the KL divergence", "L2-vae-gradients", "gradients")
class FreeVariance(Vae):
    def evidence(self, weights, batch):
        loss, gradients = super().evidence(weights, batch)
        v = self.encode(weights, batch.images, batch, by="V")
        by_log_variance = (np.exp(v.output.value) - 1) / (2 * len(batch.images))
        _, of_divergence = self.networks["V"].backward(weights, v, by_log_variance)
        return loss, gradients | {name: gradients[name] - value for name, value in of_divergence.items()}


@fault("V is not trained", "L3-vae-substeps", "displacement")
class FrozenVariance(Stays, Vae):
    stay = "V"


@fault("the VAE samples with the same z at every step", "L3-vae-run", "trajectory")
class SameSample(ReferenceSubject):
    def _all_draws(self, step, count):
        return super()._all_draws(0, count)


@fault("E minimises the critic's loss instead of opposing it", "L1-bigan-values", "losses")
class HelpfulE(Bigan):
    def generator(self, weights, batch):
        loss, gradients = super().generator(weights, batch)
        real, _ = self.input_gradient(weights, batch)
        return loss - self.objective.generator(-real)[0].mean() + self.objective.generator(real)[0].mean(), gradients


@fault("generated images are paired with the z of other images", "L1-bigan-values", "losses")
class OthersZ(Bigan):
    def pair(self, weights, images, w, batch, direction=None):
        return super().pair(weights, images, np.roll(w, 1, 0) if w is batch.z else w, batch, direction)


@fault("R1 of pairs also differentiates through E(x)", "L1-bigan-values", "losses")
class PenalisedE(Bigan):
    def input_gradient(self, weights, batch):
        e = self.encode(weights, batch.images, batch)
        real = self.pair(weights, batch.images, e.output.value, batch)
        by_images, by_w = self.split(real.pull(Pair(np.ones(len(batch.z))))[0])
        through, _ = self.networks["E"].backward(weights, e, by_w.value)
        return real.output.value, by_images.value + through.value


@fault("R1 of pairs lacks its second derivative", "L2-bigan-gradients", "gradients")
class FirstOrderPairs(Bigan):
    def pair(self, weights, images, w, batch, direction=None):
        return super().pair(weights, images, w, batch, None if direction is None else 0 * direction)


@fault("the critic's update trains E too", "L3-bigan-substeps", "untouched")
class CriticMovesE(Bigan):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        if update == "discriminator":
            state |= {name: 0.999 * state[name] for name in state if name.startswith("weights/E")}


@fault("X is not trained", "L3-bigan-substeps", "displacement")
class FrozenX(Stays, Bigan):
    stay = "X"


@fault("both updates of the BiGAN have the same z", "L3-bigan-run", "trajectory")
class OneZ(Bigan):
    def step(self, state, images, draws, labels=None):
        return super().step(state, images, dict.fromkeys(draws, draws["discriminator"]), labels)


class OtherSpread(Reference):
    """A reference with another layer for the variation within D's batch."""

    layer = Spread

    def __init__(self, config):
        super().__init__(config)
        chain = self.networks["D"].chains["D/block0/conv1"]
        chain[0] = self.layer()


@fault("D lacks the channel that says how much its batch varies", "L1-plain-values", "input_gradient", "float64")
class NoSpread(OtherSpread):
    class layer(Spread):
        def _channel(self, x, spread):
            return super()._channel(x, 0 * spread)


@fault("groups are consecutive images instead of evenly spaced ones", "L1-plain-values", "losses", "float64")
class Neighbours(OtherSpread):
    class layer(Spread):
        def _places(self, count):
            size = min(self.size, count)
            return (np.arange(count + -count % size) % count).reshape(-1, size).T


@fault("the batch-variation channel lacks its second derivative", "L2-plain-gradients", "gradients", "float64")
class FirstOrderSpread(OtherSpread):
    class layer(Spread):
        def backward(self, weights, x, adjoint):
            back, _ = super().backward(weights, Pair(x.value), Pair(adjoint.value))
            if adjoint.tangent is None:
                return back, {}
            return Pair(back.value, super().backward(weights, x, adjoint)[0].tangent), {}


@fault("the whole batch is one group", "L3-plain-growth", "trajectory", "float64")
class OneGroup(OtherSpread):
    layer = partial(Spread, size=6)


@fault("C's input has w before the encoded image, not after it", "L2-pairs-gradients", "gradients", "float64")
class CodeFirst(Bigan):
    def pair(self, weights, images, w, batch, direction=None):
        name = "C/dense0/kernel"
        turned = np.roll(weights[name], len(weights[name]) // 2, 0)
        return super().pair({**weights, name: turned}, images, w, batch, direction)


@fault("the running mean of w does not move if w has a prior", "L3-pairs-growth", "w_mean", "float64")
class NoPriorMean(Bigan):
    def mean_step(self, weights, mean, z, labels):
        return mean


@fault("an autoencoder's choice of distance averages the evidence over pixels", "L2-array-ay", "losses", "float64")
class AveragedEvidence(Vae):
    def evidence(self, weights, batch):
        loss, gradients = super().evidence(weights, batch)
        return (loss / prod(self.config.image) if self.config.updates.distance == "mean" else loss), gradients
