"""L0 to L3: conv networks, joint updates, schedules, pairs of images, R2, tanh and normalized w."""

import numpy as np

from alae_conformance.reference import growth
from alae_conformance.reference.features import Conv, StrideConv
from alae_conformance.reference.layers import Leaky, PixelNorm, Tanh
from alae_conformance.reference.linear import Upsample, UpsampleBilinear
from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import add
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.draws import Draws
from tests.conformance.mutants.crossed import with_updates
from tests.conformance.mutants.gradients import in_place_of_gradients
from tests.conformance.mutants.registry import fault


def with_layers_of(names, change):
    """Return a reference in which `change` replaces each layer of these networks; None removes it."""

    def changed(layers):
        return [new for layer in layers if (new := change(layer)) is not None]

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            for network in (self.networks[name] for name in names):
                if hasattr(network, "chains"):
                    network.chains = {name: changed(layers) for name, layers in network.chains.items()}
                else:
                    network.layers = changed(network.layers)

    return Changed


def without(kind):
    """Return a change that removes layers of a kind."""
    return lambda layer: None if isinstance(layer, kind) else layer


# ---- conv networks: initial state, draws and outputs ----------------------------------------------------------------


@fault("the update pixels draws z", "L0-conv-contract", "draws")
class PixelsDrawZ(ReferenceSubject):
    def draw_update(self, update, step, count):
        found = super().draw_update(update, step, count)
        return Draws(super().draw_update("generator", step, count).z) if update == "pixels" else found


@fault("residual blocks do not start at zero", "L0-conv-initial", "initial")
class ResidualsFromTheStart(Reference):
    def initial_weight(self, name, shape):
        if "residual" in name and name.endswith("kernel"):
            return super().initial_weight(name.replace("residual", "conv"), shape)
        return super().initial_weight(name, shape)


@fault("kernels have no gain for the leaky ReLU that follows", "L0-conv-initial", "initial")
class NoGain(Reference):
    def initial_weight(self, name, shape):
        factor = np.sqrt(1.04 / 2) if name == "E/conv0/kernel" else 1.0
        return super().initial_weight(name, shape) * factor


class Nearest(UpsampleBilinear):
    """Repeat each pixel, as if the nearest one had all the weight."""

    def apply(self, x):
        return Upsample().apply(x)


@fault("upsampling repeats the nearest pixel instead of interpolating", "L1-conv-values", "forward")
class NearestUpsampling(with_layers_of("G", lambda layer: Nearest() if isinstance(layer, UpsampleBilinear) else layer)):
    pass


class ZeroBorder(UpsampleBilinear):
    """Interpolate with zeros beyond the border."""

    def double(self, x):
        zero = np.zeros_like(x[:1])
        before, after = np.concatenate([zero, x[:-1]]), np.concatenate([x[1:], zero])
        return np.stack([3 * x + before, 3 * x + after], 1).reshape(-1, *x.shape[1:]) / 4


@fault("upsampling interpolates with zeros beyond the border", "L1-conv-values", "forward")
class ZerosBeyondTheBorder(
    with_layers_of("G", lambda layer: ZeroBorder() if isinstance(layer, UpsampleBilinear) else layer)
):
    pass


class PaddedAfter(StrideConv):
    """Pad two rows and columns after the maps and none before, as `same` padding may do."""

    def pad(self, x):
        return np.pad(x, [(0, 0), (0, 2), (0, 2), (0, 0)])


@fault("strided convolutions are padded on one side", "L1-conv-values", "forward")
class StridePaddedAfter(
    with_layers_of("E", lambda layer: PaddedAfter(layer.name) if isinstance(layer, StrideConv) else layer)
):
    pass


@fault("the w of E is not normalized", "L1-conv-values", "forward")
class UnnormalizedE(with_layers_of("E", without(PixelNorm))):
    pass


@fault("G's output has no tanh", "L1-conv-values", "forward")
class NoTanh(with_layers_of("G", without(Tanh))):
    pass


class NoResidual(Conv):
    """A convolution whose output is zero."""

    def forward(self, weights, x):
        return super().forward({**weights, f"{self.name}/kernel": 0 * weights[f"{self.name}/kernel"]}, x)


@fault("residual convolutions are missing", "L1-conv-values", "forward")
class MissingResiduals(
    with_layers_of(
        "GE",
        lambda layer: (
            NoResidual(layer.name, layer.scale) if isinstance(layer, Conv) and "residual" in layer.name else layer
        ),
    )
):
    pass


@fault("leaky ReLUs of conv networks have slope 0.01", "L1-conv-values", "forward")
class OtherConvSlope(with_layers_of("GE", lambda layer: Leaky(0.01) if isinstance(layer, Leaky) else layer)):
    pass


# ---- joint updates --------------------------------------------------------------------------------------------------


@fault("the weight of the loop in w is ignored", "L1-conv-values", "losses")
class UnweightedLoop(with_updates(weight=1.0)):
    pass


@fault("the target of the loop in w is not constant in the generator's update", "L2-conv-gradients", "gradients")
class FreeTargetOfTheLoop(with_updates(target="followed")):
    pass


@fault("the loop in w does not train F", "L2-conv-gradients", "gradients")
class LoopWithoutF(with_updates(trains_F=False)):
    pass


def without_loop(reference, weights, batch, gradients):
    _, loop = reference.loop(weights, batch)
    return add(gradients, {name: -gradient for name, gradient in loop.items() if name.startswith("E/")})


@fault("the loop in w does not train E in the discriminator's update", "L2-conv-gradients", "gradients")
class LoopWithoutE(in_place_of_gradients("discriminator", without_loop)):
    pass


@fault("pixels is done one step late", "L3-conv-run", "trajectory")
class PixelsOneStepLate(Reference):
    def due(self, step):
        return super().due(step + self.config.updates.every - 1)


@fault("pixels is done at every fourth step instead of every third", "L3-conv-run", "trajectory")
class EveryFourthStep(with_updates(every=4)):
    pass


# ---- schedules ------------------------------------------------------------------------------------------------------


class AtAnotherStep(Reference):
    """A reference whose schedule is another step's."""

    fields, ahead = (), 0

    def position(self, state):
        here = super().position(state)
        other = growth.position(self.config, max(0, int(state["step"]) + self.ahead))
        return here._replace(**{name: getattr(other, name) for name in self.fields})


@fault("the rate is that of the next step", "L3-conv-substeps", "displacement")
class RateOneStepEarly(AtAnotherStep):
    fields, ahead = ("learning_rate",), 1


@fault("the schedule of γ is one step late", "L3-conv-substeps", "losses")
class GammaOneStepLate(AtAnotherStep):
    fields, ahead = ("r1_gamma",), -1


@fault("the schedule is one step late", "L3-conv-run", "displacement")
class ScheduleOneStepLate(AtAnotherStep):
    fields, ahead = ("learning_rate", "r1_gamma"), -1


@fault("averages ignore their warm-up", "L3-conv-run", "averages")
class AveragesWithoutWarmup(Reference):
    def position(self, state):
        return growth.position(self.config.model_copy(update={"average_warmup": 0.0}), int(state["step"]))


@fault("the warm-up of averages counts the images of the step itself", "L3-conv-run", "averages")
class WarmupOneStepEarly(AtAnotherStep):
    fields, ahead = ("average_decay",), 1


# ---- pairs of images, and R2 ----------------------------------------------------------------------------------------


@fault("generated images are paired with other real ones", "L1-relativistic-values", "losses")
class ShuffledPairs(Reference):
    def separate(self, real, fake):
        loss, by_real, by_fake = super().separate(real, np.roll(fake, 1))
        return loss, by_real, np.roll(by_fake, -1)


@fault("the generator compares its image with the mean of the real logits", "L1-relativistic-values", "losses")
class PairedWithTheMean(Reference):
    def generator(self, weights, batch):
        score = self.score

        def level(weights, images, batch, direction=None):
            found = score(weights, images, batch, direction)
            if images is not batch.images:
                return found
            mean = np.full_like(found.output.value, found.output.value.mean())
            return found._replace(output=found.output._replace(value=mean))

        self.score = level
        found = super().generator(weights, batch)
        del self.score
        return found


@fault("R2 is missing", "L1-relativistic-values", "losses")
class NoR2(Reference):
    def __init__(self, config):
        super().__init__(config.model_copy(update={"r2_gamma": 0.0}))


@fault("w is normalized over the batch", "L1-relativistic-values", "forward")
class NormalizedOverTheBatch(
    with_layers_of("FE", lambda layer: PixelNorm((0,)) if isinstance(layer, PixelNorm) else layer)
):
    pass


def without_r2(reference, weights, batch, gradients):
    return NoR2(reference.config).differentiate("discriminator", weights, batch)[1]


@fault("R2 is detached: its loss is right, its gradient is missing", "L2-relativistic-gradients", "gradients")
class DetachedR2(in_place_of_gradients("discriminator", without_r2)):
    pass


def with_half_of_pairs(reference, weights, batch, gradients):
    """Let the gradient end at the generated logits."""
    separate = reference.separate

    def real_only(real, fake):
        loss, by_real, by_fake = separate(real, fake)
        return loss, by_real, 0 * by_fake

    reference.separate = real_only
    found = Reference.differentiate(reference, "discriminator", weights, batch)[1]
    del reference.separate
    return found


@fault("the logits of generated images are constant in pairs", "L2-relativistic-gradients", "gradients")
class ConstantFakeLogits(in_place_of_gradients("discriminator", with_half_of_pairs)):
    pass


@fault("R2 moves G, because generated images are not constant", "L3-relativistic-substeps", "untouched")
class FakesNotConstant(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        if update == "discriminator":
            for name in (name for name in state if name.startswith("weights/G")):
                state[name] = state[name] * (1 - 1e-3)
