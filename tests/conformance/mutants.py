"""Faulty copies of the reference, each with the one check that must catch it: what the suite's limits are worth.

A kill counts only where the named check of the named case fails on the mutant and passes on the sound reference.
`python -m tests.conformance.mutants` prints the table of docs/conformance.md.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from alae_conformance import vectors
from alae_conformance.experiments import EXPERIMENTS, Setting
from alae_conformance.judge import Comparison
from alae_conformance.numbers import Frozen
from alae_conformance.reference.layers import Dense, Leaky, Pair, PixelNorm
from alae_conformance.reference.losses import hinge, linear, mirrored, softplus
from alae_conformance.reference.training import Batch, Reference, add
from alae_conformance.subjects import Subject
from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.suite import compare


class Mutant(NamedTuple):
    """A fault, and where it must show."""

    name: str
    fault: str
    case: str
    check: str
    lane: str
    make: Callable[[], Subject]


MUTANTS: list[Mutant] = []
#: other ways to write the same: these must pass
EQUIVALENTS: list[Mutant] = []


def fault(description, case, check, lane="float32", into=MUTANTS):
    """Register a faulty `Reference` or `ReferenceSubject`."""

    def register(cls):
        make = cls if issubclass(cls, ReferenceSubject) else lambda: ReferenceSubject(cls)
        into.append(Mutant(cls.__name__, description, case, check, lane, make))
        return cls

    return register


def comparisons(case, lane, subject):
    """What the suite says of a subject in one case."""
    numbers = Frozen()
    case = vectors.cases()[case]
    with TemporaryDirectory() as directory:
        setting = Setting(vectors.fixtures()[case.fixture], lane, numbers.tape(case.fixture), Path(directory))
        if case.experiment == "peers":
            EXPERIMENTS["portability"](ReferenceSubject(), setting)
        return compare(case, lane, EXPERIMENTS[case.experiment](subject, setting), numbers)


@cache
def of_control(case, lane):
    """What the suite says of the sound reference."""
    if vectors.cases()[case].tolerance == "statistics":
        # Its runs take long, and test_vectors.py has seen that they are these.
        return compare(vectors.cases()[case], lane, dict(vectors.expected(case)), Frozen())
    return comparisons(case, lane, ReferenceSubject())


def worst(found: list[Comparison], check: str) -> Comparison:
    """The comparison of a check that is furthest over its limit."""
    return max(
        (comparison for comparison in found if comparison.check == check), key=lambda comparison: comparison.ratio
    )


# ---- L0: names, loading, z ------------------------------------------------------------------------------------------


@fault("Keras runs on another framework than the backend says", "L0-leaky-contract", "identity")
class OtherKeras(ReferenceSubject):
    def hello(self):
        return super().hello() | {"running": "jax"}


@fault("a weight has another name", "L0-leaky-contract", "names")
class OtherName(ReferenceSubject):
    def weights(self, averaged=False):
        return {name.replace("dense0", "dense"): array for name, array in super().weights(averaged).items()}


@fault("float32 under a float64 label: the state's dtype", "L0-leaky-contract", "dtypes", "float64")
class Float32State(ReferenceSubject):
    def state(self):
        return {
            name: array.astype(np.float32) if array.dtype == np.float64 else array
            for name, array in super().state().items()
        }


@fault("arrays of one shape are loaded in the order they come, not by name", "L0-official-contract", "by_name")
class LoadedByOrder(ReferenceSubject):
    def load(self, state):
        by_shape = {}
        for array in state.values():
            by_shape.setdefault(array.shape, []).append(array)
        names = self._state if state.keys() == self._state.keys() else state
        super().load({name: by_shape[np.shape(state[name])].pop(0) for name in names})


@fault("a state with an array missing is loaded", "L0-leaky-contract", "refuses")
class LenientLoad(ReferenceSubject):
    def load(self, state):
        super().load({**self._state, **{name: state[name] for name in state if name in self._state}})


@fault("state() gives out the arrays that training goes on writing to", "L0-leaky-contract", "snapshot")
class LiveState(ReferenceSubject):
    def state(self):
        return self._state

    def load(self, state):
        super().load({name: np.array(array) for name, array in state.items()})

    def run(self, batches, steps, only=None):
        live = self._state
        losses = super().run(batches, steps, only)
        for name, array in self._state.items():
            live[name][...] = array
        self._state = live
        return losses


@fault("the seed is left out of z", "L0-leaky-contract", "draws")
class SeedlessDraws(ReferenceSubject):
    def open(self, config, seed):
        super().open(config, 0)


# ---- L1: networks ---------------------------------------------------------------------------------------------------


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
    """A reference whose layers are changed one by one."""

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            for network in self.networks.values():
                network.layers = [changed for layer in network.layers if (changed := change(layer)) is not None]

    return Changed


@fault("leaky ReLU of slope 0.01", "L1-leaky-values", "forward")
class OtherSlope(with_layers(lambda layer: Leaky(0.01) if layer == Leaky(0.2) else layer)):
    pass


@fault("no pixel norm", "L1-smooth-values", "forward")
class NoPixelNorm(with_layers(lambda layer: None if isinstance(layer, PixelNorm) else layer)):
    pass


@fault("lrmul multiplies kernels, not biases", "L1-official-values", "forward")
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


# ---- L1: losses -----------------------------------------------------------------------------------------------------


@fault("the input gradient is of the mean of D(E(x)), not of its sum", "L1-leaky-values", "input_gradient")
class GradientOfTheMean(ReferenceSubject):
    def input_gradient(self, inputs):
        logits, gradient = super().input_gradient(inputs)
        return logits, gradient / len(logits)


class Penalised(Reference):
    """R1 with another penalty; its gradient is left as it was."""

    def discriminator(self, weights, batch):
        loss, gradients = super().discriminator(weights, batch)
        _, g = self.input_gradient(weights, batch)
        right = self.gamma / 2 * (g * g).sum() / len(g)
        return loss - right + self.gamma / 2 * self.penalty(weights, batch, g), gradients


@fault("γ for γ/2", "L1-leaky-values", "losses")
class GammaNotHalved(Penalised):
    def penalty(self, weights, batch, g):
        return 2 * (g * g).sum() / len(g)


@fault("γ 1 % too large", "L1-leaky-values", "losses")
class GammaOnePercent(Penalised):
    def penalty(self, weights, batch, g):
        return 1.01 * (g * g).sum() / len(g)


@fault("no R1", "L1-leaky-values", "losses")
class NoR1(Penalised):
    def penalty(self, weights, batch, g):
        return 0


@fault("R1 of the gradient with respect to parameters", "L1-leaky-values", "losses")
class R1OfParameters(Penalised):
    def penalty(self, weights, batch, g):
        E, D = self.networks["E"], self.networks["D"]
        e = E.forward(weights, batch.images, labels=batch.labels)
        d = D.forward(weights, e.output.value)
        back, first = D.backward(weights, d, np.ones(len(g)) / len(g))
        _, second = E.backward(weights, e, back.value)
        return sum((gradient**2).sum() for gradient in (first | second).values())


@fault("R1 of the gradient with respect to E(x)", "L1-leaky-values", "losses")
class R1OfLatents(Penalised):
    def penalty(self, weights, batch, g):
        E, D = self.networks["E"], self.networks["D"]
        d = D.forward(weights, E.forward(weights, batch.images, labels=batch.labels).output.value)
        back, _ = D.backward(weights, d, np.ones(len(g)))
        return (back.value**2).sum() / len(g)


@fault("R1 on generated images", "L1-leaky-values", "losses")
class R1OnFakes(Penalised):
    def penalty(self, weights, batch, g):
        F, G = self.networks["F"], self.networks["G"]
        fakes = G.forward(weights, F.forward(weights, batch.z).output.value, labels=batch.labels).output.value
        _, g = self.input_gradient(weights, batch._replace(images=fakes))
        return (g * g).sum() / len(g)


@fault("R1 of the mean logit", "L1-leaky-values", "losses")
class R1OfTheMean(Penalised):
    def penalty(self, weights, batch, g):
        return (g * g).sum() / len(g) ** 2


@fault("R1 averaged over pixels", "L1-leaky-values", "losses")
class R1OverPixels(Penalised):
    def penalty(self, weights, batch, g):
        return (g * g).mean()


@fault("R1 of the norm, not its square", "L1-leaky-values", "losses")
class R1Unsquared(Penalised):
    def penalty(self, weights, batch, g):
        return np.sqrt((g * g).sum((1, 2, 3))).mean()


def with_objective(name, **terms):
    """A reference whose objective `name` has other terms."""

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            if config.objective == name:
                self.objective = self.objective._replace(**terms)

    return Changed


@fault("softplus of the wrong sign in the discriminator's loss", "L1-leaky-values", "losses")
class DiscriminatorSign(with_objective("logistic", real=softplus, fake=mirrored(softplus))):
    pass


@fault("softplus of the wrong sign in the generator's loss", "L1-leaky-values", "losses")
class GeneratorSign(with_objective("logistic", generator=softplus)):
    pass


@fault("the saturating generator loss", "L1-leaky-values", "losses")
class SaturatingGenerator(with_objective("logistic", generator=lambda t: tuple(-part for part in softplus(t)))):
    pass


@fault("hinge for softplus", "L1-leaky-values", "losses")
class HingeForSoftplus(with_objective("logistic", real=mirrored(hinge), fake=hinge)):
    pass


def naive(t):
    with np.errstate(over="ignore", invalid="ignore"):
        return np.log(1 + np.exp(t)), np.exp(t) / (1 + np.exp(t))


# exp overflows beyond 88 in float32, beyond 709 in float64, in which the reference computes.
def naive_in_float32(t):
    value, slope = naive(np.asarray(t, np.float32))
    return value.astype(np.float64), slope.astype(np.float64)


@fault("log(1 + exp(t)) overflows", "L1-overflow-values", "losses")
class NaiveSoftplus(
    with_objective(
        "logistic", real=mirrored(naive_in_float32), fake=naive_in_float32, generator=mirrored(naive_in_float32)
    )
):
    pass


def cut_off(t):
    value, slope = softplus(t)
    return np.where(t > 20, t, value), np.where(t > 20, 1, slope)


@fault("softplus linear above 20, as Keras has it on PyTorch", "L1-large-values", "losses", "float64")
class CutOffSoftplus(with_objective("logistic", real=mirrored(cut_off), fake=cut_off, generator=mirrored(cut_off))):
    pass


@fault("the Wasserstein critic upside down", "L1-wasserstein-values", "losses")
class WassersteinSign(with_objective("wasserstein", real=linear, fake=mirrored(linear))):
    pass


def no_margin(t):
    return np.maximum(t, 0), np.where(t > 0, 1.0, 0.0)


@fault("a hinge without its margin", "L1-hinge-values", "losses")
class HingeWithoutMargin(with_objective("hinge", real=mirrored(no_margin), fake=no_margin)):
    pass


class Rescaled(Reference):
    """One update's loss and gradient multiplied."""

    update, factor = "", 1.0

    def differentiate(self, update, weights, batch):
        loss, gradients = super().differentiate(update, weights, batch)
        factor = self.scale(batch) if update == self.update else 1.0
        return loss * factor, {name: gradient * factor for name, gradient in gradients.items()}

    def scale(self, batch):
        return self.factor


@fault("the discriminator's loss summed over the batch", "L1-leaky-values", "losses")
class SumInDiscriminator(Rescaled):
    update = "discriminator"

    def scale(self, batch):
        return len(batch.images)


@fault("the generator's loss summed over the batch", "L1-leaky-values", "losses")
class SumInGenerator(Rescaled):
    update = "generator"

    def scale(self, batch):
        return len(batch.images)


@fault("reciprocity averaged over w under the paper's updates", "L1-leaky-values", "losses")
class MeanOverLatents(Rescaled):
    update, factor = "reciprocity", 1 / 7


@fault("reciprocity summed over w under the authors' updates", "L1-official-values", "losses")
class SumOverLatents(Rescaled):
    update, factor = "reciprocity", 7


@fault("half the squared norm in reciprocity", "L1-leaky-values", "losses")
class HalfReciprocity(Rescaled):
    update, factor = "reciprocity", 0.5


@fault("the norm in reciprocity, not its square", "L1-leaky-values", "losses")
class UnsquaredReciprocity(Reference):
    def distance(self, target, estimate):
        _, slope = super().distance(target, estimate)
        return np.sqrt(((target - estimate) ** 2).sum(1)).mean(), slope


@fault("reciprocity with z itself as the target", "L1-leaky-values", "losses")
class TargetZ(Reference):
    def reciprocity(self, weights, batch):
        self._z = batch.z
        return super().reciprocity(weights, batch)

    def distance(self, target, estimate):
        target = target.copy()
        target[:, : self._z.shape[1]] = self._z
        return super().distance(target, estimate)


@fault("of reciprocity in both spaces only the latent one", "L1-labels-values", "losses")
class OnlyLatent(Reference):
    def reciprocity(self, weights, batch):
        self.config = self.config.model_copy(update={"reciprocity": "latent"})
        return super().reciprocity(weights, batch)


# ---- L2 -------------------------------------------------------------------------------------------------------------


def in_place_of_gradients(update, change):
    """A reference whose loss is right, and whose gradient of one update is changed."""

    class Changed(Reference):
        def differentiate(self, which, weights, batch):
            loss, gradients = super().differentiate(which, weights, batch)
            return loss, change(self, weights, batch, gradients) if which == update else gradients

    return Changed


def without_r1(reference, weights, batch, gradients):
    unpenalised = Reference(reference.config.model_copy(update={"r1_gamma": 0.0}))
    return unpenalised.differentiate("discriminator", weights, batch)[1]


@fault(
    "R1's graph detached: the loss is right, its gradient lacks the second derivative",
    "L2-leaky-gradients",
    "gradients",
)
class DetachedR1(in_place_of_gradients("discriminator", without_r1)):
    pass


class WithoutCurvature(PixelNorm):
    """Its second derivative is taken for zero."""

    def backward(self, weights, x, adjoint):
        back, gradients = super().backward(weights, Pair(x.value), Pair(adjoint.value))
        if adjoint.tangent is None:
            return back, gradients
        return Pair(back.value, super().backward(weights, Pair(x.value), Pair(adjoint.tangent))[0].value), gradients


@fault("R1's gradient without the curvature of layers", "L2-smooth-gradients", "gradients")
class NoCurvature(with_layers(lambda layer: WithoutCurvature() if isinstance(layer, PixelNorm) else layer)):
    pass


def only_of(*networks):
    def change(reference, weights, batch, gradients):
        return {
            name: gradient if name[0] in networks else np.zeros_like(gradient) for name, gradient in gradients.items()
        }

    return change


@fault("G detached in reciprocity", "L2-leaky-gradients", "gradients")
class DetachedG(in_place_of_gradients("reciprocity", only_of("E"))):
    pass


def free_target(reference, weights, batch, gradients):
    """d‖F(z) − e‖²/dF(z) added to F's gradient."""
    F, G, E = (reference.networks[name] for name in "FGE")
    f = F.forward(weights, batch.z)
    e = E.forward(weights, G.forward(weights, f.output.value).output.value).output.value
    _, slope = reference.distance(f.output.value, e)
    return add(gradients, F.backward(weights, f, -slope)[1])


@fault("the target F(z) not held constant where F learns", "L2-official-gradients", "gradients")
class FreeTarget(in_place_of_gradients("reciprocity", free_target)):
    pass


@fault("F left out of the authors' reciprocity update", "L2-official-gradients", "gradients")
class NoFInReciprocity(Reference):
    def trains(self):
        return super().trains() | {"reciprocity": "EG"}


@fault("a zero gradient for a network that the update does not train", "L2-leaky-gradients", "gradients")
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


@fault("the Wasserstein generator's gradient upside down", "L2-wasserstein-gradients", "gradients")
class WassersteinGradient(
    in_place_of_gradients(
        "generator", lambda reference, weights, batch, gradients: {k: -v for k, v in gradients.items()}
    )
):
    pass


def leaking_hinge(t):
    value, _ = hinge(t)
    return value, np.ones_like(t)


@fault("the hinge's gradient beyond its margin", "L2-hinge-gradients", "gradients")
class LeakingHinge(with_objective("hinge", real=mirrored(leaking_hinge), fake=leaking_hinge)):
    pass


def overflowing_slope(t):
    value, _ = softplus(t)
    return value, naive_in_float32(t)[1]


@fault("exp(t) / (1 + exp(t)) overflows to NaN in the gradient alone", "L2-overflow-gradients", "gradients")
class OverflowingSlope(with_objective("logistic", real=mirrored(overflowing_slope), fake=overflowing_slope)):
    pass


@fault("looking at gradients counts as a step", "L2-leaky-gradients", "still")
class LookingMoves(ReferenceSubject):
    def gradients(self, update, inputs):
        self._state["step"] = self._state["step"] + 1
        return super().gradients(update, inputs)


# ---- L3: who moves --------------------------------------------------------------------------------------------------


@fault("reciprocity moves F as well", "L3-leaky-substeps", "untouched")
class MovesF(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        if update == "reciprocity":
            for name in (name for name in state if name.startswith("weights/F")):
                state[name] = state[name] - 1e-3 * state[name]


@fault("D's second moment decays in reciprocity, by a zero gradient", "L3-official-substeps", "untouched")
class ZeroGradientTicksD(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        if update == "reciprocity":
            for name in (name for name in state if name.startswith("adam/encoder/D/v/")):
                state[name] = state[name] * self.config.adam.beta2


class Partial(Reference):
    """Some networks of an update stay where they are."""

    update, stay = "", ""

    def apply(self, state, update, gradients):
        before = {**state}
        super().apply(state, update, gradients)
        if update == self.update:
            state |= {name: before[name] for name in state if name.startswith(tuple(f"weights/{n}" for n in self.stay))}


@fault("reciprocity moves E only", "L3-leaky-substeps", "displacement")
class MovesOnlyE(Partial):
    update, stay = "reciprocity", "G"


@fault("reciprocity moves G only", "L3-leaky-substeps", "displacement")
class MovesOnlyG(Partial):
    update, stay = "reciprocity", "E"


@fault("F frozen in the generator's update", "L3-leaky-substeps", "displacement")
class FrozenF(Partial):
    update, stay = "generator", "F"


@fault("D frozen in the discriminator's update", "L3-leaky-substeps", "displacement")
class FrozenD(Partial):
    update, stay = "discriminator", "D"


@fault("the same z for all three updates", "L3-leaky-run", "trajectory")
class SameZ(Reference):
    def step(self, state, images, z, labels=None):
        return super().step(state, images, dict.fromkeys(z, z.get("discriminator", next(iter(z.values())))), labels)


@fault("the same z at every step", "L3-leaky-run", "trajectory")
class SameZEachStep(ReferenceSubject):
    def draws(self, step, count):
        return super().draws(0, count)


@fault("updates at once, not one after the other", "L3-leaky-run", "trajectory")
class Simultaneous(Reference):
    def step(self, state, images, z, labels=None):
        after, losses = super().step(state, images, z, labels)
        weights = {name.removeprefix("weights/"): state[name] for name in state if name.startswith("weights/")}
        first = {u: self.differentiate(u, weights, Batch(images, z[u], labels))[0] for u in losses}
        return after, first


@fault("the generator's update before the discriminator's", "L3-leaky-run", "trajectory")
class OtherOrder(Reference):
    def trains(self):
        found = super().trains()
        return {update: found[update] for update in ("generator", "discriminator", "reciprocity") if update in found}


@fault("each step's batch drawn again from the first", "L3-hinge-run", "trajectory")
class SameBatch(ReferenceSubject):
    def run(self, batches, steps, only=None):
        return super().run(type(batches)(batches.images[:1], batches.labels), steps, only)


@fault("labels of the first batch for every batch", "L3-labels-run", "trajectory")
class StaleLabels(ReferenceSubject):
    def run(self, batches, steps, only=None):
        labels = None if batches.labels is None else batches.labels[[0] * len(batches.labels)]
        return super().run(type(batches)(batches.images, labels), steps, only)


@fault("the model that was given is not the one trained", "L3-leaky-run", "in_place")
class StaleModel(ReferenceSubject):
    def load(self, state):
        super().load(state)
        self._loaded = self.weights()

    def model_weights(self):
        return self._loaded


@fault("losses reported after their update has moved", "L3-leaky-substeps", "losses")
class LossAfterwards(Reference):
    def step(self, state, images, z, labels=None):
        after, losses = super().step(state, images, z, labels)
        weights = {name.removeprefix("weights/"): after[name] for name in after if name.startswith("weights/")}
        return after, {u: self.differentiate(u, weights, Batch(images, z[u], labels))[0] for u in losses}


@fault("averages taken before the step", "L3-leaky-run", "averages")
class AveragesBefore(Reference):
    def step(self, state, images, z, labels=None):
        after, losses = super().step(state, images, z, labels)
        again, _ = super().step(state, images, {}, labels)
        return after | {name: again[name] for name in again if name.startswith("averages/")}, losses


@fault("averages forget per step, whatever the batch size", "L3-official-run", "averages")
class OtherDecay(Reference):
    def __init__(self, config):
        super().__init__(config)
        training = config.training.model_copy(update={"batch_size": 1})
        self.config = config.model_copy(update={"training": training})


# ---- L3: Adam -------------------------------------------------------------------------------------------------------


class OtherAdam(Reference):
    """Another rule from (gradient, new m, new v, t) to a step."""

    def adam(self, value, m, v, gradient, t):
        _, m, v = super().adam(value, m, v, gradient, t)
        return value - self.rate(t) * self.direction(gradient, m, v, t), m, v

    def rate(self, t):
        adam = self.config.adam
        return adam.learning_rate * (1 - adam.warmup**t) * np.sqrt(1 - adam.beta2**t) / (1 - adam.beta1**t)

    def direction(self, gradient, m, v, t):
        return m / (np.sqrt(v) + self.config.adam.epsilon)


@fault("Adam without bias correction", "L3-leaky-substeps", "displacement")
class NoBiasCorrection(OtherAdam):
    def rate(self, t):
        return self.config.adam.learning_rate


@fault("Adam's t stuck at 1", "L3-leaky-substeps", "displacement")
class StuckT(OtherAdam):
    def rate(self, t):
        return super().rate(1)


@fault("Adam's t one ahead", "L3-leaky-substeps", "displacement")
class TOneAhead(OtherAdam):
    def rate(self, t):
        return super().rate(t + 1)


@fault("Adam's t counts training steps, not a network's updates", "L3-official-substeps", "counts")
class OneTPerStep(Reference):
    def apply(self, state, update, gradients):
        before = {**state}
        super().apply(state, update, gradients)
        if update == "reciprocity":
            state |= {name: before[name] for name in state if name.endswith("/t")}


@fault("ε added after the bias correction, as PyTorch and Optax do", "L3-smooth-substeps", "displacement")
class TorchEpsilon(OtherAdam):
    def direction(self, gradient, m, v, t):
        correction = np.sqrt(1 - self.config.adam.beta2**t)
        return m / correction / (np.sqrt(v) / correction + self.config.adam.epsilon)


@fault("ε inside the root", "L3-smooth-substeps", "displacement")
class EpsilonInside(OtherAdam):
    def direction(self, gradient, m, v, t):
        return m / np.sqrt(v + self.config.adam.epsilon)


@fault("sign descent for Adam", "L3-smooth-substeps", "displacement")
class SignDescent(OtherAdam):
    def direction(self, gradient, m, v, t):
        return np.sign(gradient)


@fault("the learning rate 1 % too large", "L3-leaky-substeps", "displacement")
class RateOnePercent(OtherAdam):
    def rate(self, t):
        return 1.01 * super().rate(t)


@fault("no warm-up", "L3-smooth-substeps", "displacement")
class NoWarmup(OtherAdam):
    def rate(self, t):
        return super().rate(t) / (1 - self.config.adam.warmup**t)


def with_adam(**changed):
    """A reference whose Adam has other constants."""

    class Changed(Reference):
        def adam(self, *arguments):
            config, self.config = (
                self.config,
                self.config.model_copy(update={"adam": self.config.adam.model_copy(update=changed)}),
            )
            try:
                return super().adam(*arguments)
            finally:
                self.config = config

    return Changed


@fault("β2 = 0.999", "L3-leaky-substeps", "moments")
class OtherBeta2(with_adam(beta2=0.999)):
    pass


@fault("β1 = 0.5 where it is 0", "L3-leaky-substeps", "moments")
class OtherBeta1(with_adam(beta1=0.5)):
    pass


@fault("gradients not cleared between updates", "L3-official-run", "displacement")
class UnclearedGradients(Reference):
    def step(self, state, images, z, labels=None):
        self._kept = {}
        return super().step(state, images, z, labels)

    def apply(self, state, update, gradients):
        self._kept = add(self._kept, gradients)
        super().apply(state, update, {name: self._kept[name] for name in gradients})


@fault("an Adam for each update where the authors share two", "L3-official-run", "displacement")
class UnsharedAdam(Reference):
    def apply(self, state, update, gradients):
        own = self.__dict__.setdefault("_own", {})
        if int(state["step"]) == 0:
            own.pop(update, None)
        moments = own.setdefault(update, {name: 0 * state[name] for name in state if name.startswith("adam/")})
        shared = {name: state[name] for name in moments}
        state |= moments
        super().apply(state, update, gradients)
        own[update] = {name: state[name] for name in moments}
        state |= shared
        for network in self.trains()[update]:
            home = f"adam/{self.adam_of(update, network)}/{network}/t"
            state[home] = state[home] + 1


# ---- L4 -------------------------------------------------------------------------------------------------------------


@fault("no reciprocity update", "L4-leaky-reciprocity", "ratio")
class NoReciprocity(Reference):
    def apply(self, state, update, gradients):
        if update != "reciprocity":
            super().apply(state, update, gradients)


@fault("reciprocity at a third of its learning rate", "L4-leaky-reciprocity", "equivalence")
class SlowReciprocity(Reference):
    def apply(self, state, update, gradients):
        before = {**state}
        super().apply(state, update, gradients)
        if update == "reciprocity":
            for name in (name for name in state if name.startswith("weights/")):
                state[name] = before[name] + (state[name] - before[name]) / 3


# ---- L5 -------------------------------------------------------------------------------------------------------------


@fault("Adam's counts start again when a checkpoint is read", "L5-leaky-checkpoint", "own")
class CountsForgotten(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state |= {name: np.array(0) for name in self._state if name.endswith("/t")}


@fault("averages read in place of weights", "L5-leaky-peers", "displacement")
class AveragesForWeights(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state |= {
            name: self._state[name.replace("weights/", "averages/")]
            for name in self._state
            if name.startswith("weights/")
        }


@fault("the count of steps starts again when a checkpoint is read, and the z with it", "L5-official-peers", "counts")
class StepForgotten(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state["step"] = np.array(0)


@fault("averages start again from the weights when a checkpoint is read", "L5-official-peers", "averages")
class AveragesForgotten(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state |= {
            name: self._state[name.replace("averages/", "weights/")]
            for name in self._state
            if name.startswith("averages/")
        }


@fault("a checkpoint holds half precision", "L5-official-checkpoint", "own")
class HalfPrecision(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state = {
            name: array.astype(np.float16).astype(np.float64) if array.dtype.kind == "f" else array
            for name, array in self._state.items()
        }


# ---- the same, written otherwise ------------------------------------------------------------------------------------


@fault("both moments corrected, and ε rescaled to its place", "L3-smooth-substeps", "displacement", into=EQUIVALENTS)
class CorrectedMoments(OtherAdam):
    def rate(self, t):
        adam = self.config.adam
        return adam.learning_rate * (1 - adam.warmup**t)

    def direction(self, gradient, m, v, t):
        adam = self.config.adam
        root = np.sqrt(v / (1 - adam.beta2**t))
        return m / (1 - adam.beta1**t) / (root + adam.epsilon / np.sqrt(1 - adam.beta2**t))


@fault("averages moved towards the weights", "L3-leaky-run", "averages", into=EQUIVALENTS)
class AveragesMoved(Reference):
    def step(self, state, images, z, labels=None):
        after, losses = super().step(state, images, z, labels)
        share = 1 - 0.5 ** (self.config.training.batch_size / self.config.average_halflife)
        for name in (name for name in state if name.startswith("averages/")):
            weight = after[name.replace("averages/", "weights/")]
            after[name] = state[name] + share * (weight - state[name])
        return after, losses


def main() -> None:
    """Print every mutant's kill as a Markdown table."""
    print(
        "| mutant | fault | killed by | lane | error / limit, mutant | control |\n| --- | --- | --- | --- | --- | --- |"
    )
    for mutant in MUTANTS:
        found = worst(comparisons(mutant.case, mutant.lane, mutant.make()), mutant.check).ratio
        control = worst(of_control(mutant.case, mutant.lane), mutant.check).ratio
        print(
            f"| {mutant.name} | {mutant.fault} | {mutant.case}, {mutant.check} | {mutant.lane} "
            f"| {found:.3g} | {control:.2g} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
