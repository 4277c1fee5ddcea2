"""L0 to L3: style networks and their growth."""

from dataclasses import replace

import numpy as np

from alae_conformance.reference.features import Conv, Noise
from alae_conformance.reference.growth import position
from alae_conformance.reference.layers import Pair, PixelNorm
from alae_conformance.reference.linear import Blur, Centre, Downsample, average_blocks, pad
from alae_conformance.reference.statistics import Statistics
from alae_conformance.reference.style import Encoder, Generator
from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.registry import fault


def with_chains(change):
    """Return a reference with other layer chains in G and E: `change` maps a chain's name and layers to new layers."""

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            for network in (self.networks["G"], self.networks["E"]):
                network.chains = {name: change(name, layers) for name, layers in network.chains.items()}

    return Changed


def with_layers(kind, change):
    """Return a reference in which `change` replaces each layer of a kind; None removes it."""

    def changed(name, layers):
        found = [change(layer) if isinstance(layer, kind) else layer for layer in layers]
        return [layer for layer in found if layer is not None]

    return with_chains(changed)


def with_network(name, network):
    """Return a reference with another G or E."""

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            self.networks[name].__class__ = network

    return Changed


def with_weights_of_g(change):
    """Return a reference with other weights in G: `change` maps the name and value of each to a new value."""

    class Changed(Reference):
        def generate(self, weights, w, batch):
            changed = {name: change(name, weight) for name, weight in weights.items() if name.startswith("G")}
            return super().generate({**weights, **changed}, w, batch)

    return Changed


# ---- L0 -------------------------------------------------------------------------------------------------------------


@fault("styles are always mixed, from the second layer on", "L0-style-contract", "draws")
class AlwaysMixed(ReferenceSubject):
    def draw_update(self, update, step, count):
        found = super().draw_update(update, step, count)
        return found if found.cutoff is None else found._replace(cutoff=1)


@fault("the mixing cut-off never covers all layers", "L0-style-contract", "draws")
class NeverUnmixed(ReferenceSubject):
    def draw_update(self, update, step, count):
        found = super().draw_update(update, step, count)
        layers = 2 * (position(self.config, step).lod + 1)
        return found if found.cutoff is None else found._replace(cutoff=min(found.cutoff, layers - 1))


# ---- L1 -------------------------------------------------------------------------------------------------------------


@fault("the blur is missing", "L1-style-values", "forward")
class NoBlur(with_layers(Blur, lambda layer: None)):
    pass


class Box(Blur):
    """Average 3×3 pixels."""

    def apply(self, x):
        padded = pad(x, 1)
        height, width = x.shape[1:3]
        return sum(padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)) / 9


@fault("the blur has equal weights", "L1-style-values", "forward")
class BoxBlur(with_layers(Blur, lambda layer: Box())):
    pass


class Turned(Conv):
    """A convolution, not a cross-correlation."""

    def forward(self, weights, x):
        name = f"{self.name}/kernel"
        return super().forward({**weights, name: weights[name][::-1, ::-1]}, x)


@fault("kernels are rotated by 180°", "L1-style-values", "forward")
class TurnedKernels(with_layers(Conv, lambda layer: Turned(layer.name, layer.scale))):
    pass


class Nearest(Downsample):
    """Take one pixel of four."""

    def apply(self, x):
        return x[:, ::2, ::2]


@fault("downsampling takes one pixel of four instead of their mean", "L1-style-values", "forward")
class NearestDownsampling(with_layers(Downsample, lambda layer: Nearest())):
    pass


@fault("styles multiply by s₀ instead of s₀ + 1", "L1-style-values", "forward")
class ModulationWithoutOne(
    with_weights_of_g(
        lambda name, weight: weight - np.repeat([1, 0], len(weight) // 2) if name.endswith("style/bias") else weight
    )
):
    pass


@fault("noise ignores its weight per channel", "L1-style-values", "forward")
class NoiseUnweighted(
    with_weights_of_g(lambda name, weight: np.ones_like(weight) if name.endswith("noise") else weight)
):
    pass


class LateNoise(Generator):
    """A generator that adds noise after the leaky ReLU."""

    def styled(self, path, name, x, w, noise):
        bias, leaky, *norm = self.chains[name]
        x = path.through(x, bias, leaky, Noise(name, noise), *norm)
        return path.modulate(x, path.through(w, *self.chains[f"{name}/style"]))


@fault("noise is added after the leaky ReLU", "L1-style-values", "forward")
class NoiseAfterActivation(with_network("G", LateNoise)):
    pass


@fault("E applies leaky ReLU once to its input layer, not twice", "L1-style-values", "forward")
class RectifiedOnce(with_chains(lambda name, layers: layers[:-1] if "from_rgb" in name else layers)):
    pass


class Uncentred(Statistics):
    """Statistics with the root of the mean square instead of the deviation."""

    def _centre_and_deviation(self, x):
        return x, ((x * x).mean((1, 2)) + self.epsilon) ** 0.5


@fault("standard deviations are computed without subtracting the mean", "L1-style-values", "forward")
class UncentredDeviation(with_layers(Statistics, lambda layer: Uncentred())):
    pass


class Described(Statistics):
    """Statistics with the variance instead of the deviation."""

    def forward(self, weights, x):
        mean, deviation = np.split(super().forward(weights, x).value, 2, 1)
        return Pair(np.concatenate([mean, deviation**2], 1), super().forward(weights, x).tangent)


@fault("the variance instead of the standard deviation", "L1-style-values", "forward")
class VarianceForDeviation(with_layers(Statistics, lambda layer: Described())):
    pass


class Normalized(Statistics):
    """Statistics of maps after instance norm."""

    def forward(self, weights, x):
        return super().forward(weights, PixelNorm((1, 2), 1e-5).forward(weights, Centre().forward(weights, x)))


@fault("instance norm comes before the statistics", "L1-style-values", "forward")
class NormFirst(with_layers(Statistics, lambda layer: Normalized())):
    pass


class Whole(Encoder):
    """An encoder that uses a block's full statistics while the block fades in."""

    def share(self, blend):
        return 1.0


@fault("E's style terms are not faded in", "L1-style-values", "forward")
class StatisticsUnfaded(with_network("E", Whole)):
    pass


@fault("the blend is reversed", "L1-style-values", "forward")
class FadedBackwards(Reference):
    def generate(self, weights, w, batch):
        return super().generate(weights, w, batch._replace(blend=1 - batch.blend))


@fault("styles are mixed from one layer too late", "L1-style-values", "losses")
class LateCutoff(Reference):
    def keeps(self, batch):
        return np.arange(len(batch.noise))[:, None] <= batch.cutoff


@fault("the coarse layers are mixed instead of the fine ones", "L1-style-values", "losses")
class MixedFromBelow(Reference):
    def keeps(self, batch):
        return ~super().keeps(batch)


@fault("reciprocity mixes styles", "L1-style-values", "losses")
class MixedReciprocity(ReferenceSubject):
    def losses(self, inputs):
        draws = inputs.draws
        mixed = draws["reciprocity"]._replace(mix=draws["generator"].mix, cutoff=1)
        found = super().losses(inputs)
        _, w = self.reference.styles(self._weights(), self._batch("reciprocity", inputs))
        batch = self._batch("reciprocity", inputs._replace(draws={"reciprocity": mixed}))
        _, styles = self.reference.styles(self._weights(), batch)
        images = self.reference.generate(self._weights(), styles, batch).output.value
        code = self.reference.encode(self._weights(), images, batch).output.value
        return found | {"reciprocity": self.reference.distance(w, code)[0]}


def with_epsilon(network, epsilon):
    """Return a reference with another ε in the instance norms of a network."""

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            chains = self.networks[network].chains
            for name, layers in chains.items():
                chains[name] = [
                    replace(layer, epsilon=epsilon) if isinstance(layer, PixelNorm) else layer for layer in layers
                ]

    return Changed


@fault("E's instance norms have the ε of G's", "L1-deep-values", "forward", "float64")
class EpsilonOfGInE(with_epsilon("E", 1e-8)):
    pass


@fault("G's instance norms have the ε of E's", "L1-deep-values", "forward", "float64")
class EpsilonOfEInG(with_epsilon("G", 1e-5)):
    pass


class Single(Conv):
    """A convolution in float32."""

    def forward(self, weights, x):
        found = super().forward(weights, x)
        return Pair(*(None if part is None else part.astype(np.float32).astype(np.float64) for part in found))


@fault("float32 under a float64 label: convolutions", "L1-deep-values", "forward", "float64")
class Float32Convolutions(with_layers(Conv, lambda layer: Single(layer.name, layer.scale))):
    pass


# ---- L2 -------------------------------------------------------------------------------------------------------------


class Flat(PixelNorm):
    """A norm with its second derivative treated as zero."""

    def backward(self, weights, x, adjoint):
        back, _ = super().backward(weights, Pair(x.value), Pair(adjoint.value))
        if adjoint.tangent is None:
            return back, {}
        return Pair(back.value, super().backward(weights, Pair(x.value), Pair(adjoint.tangent))[0].value), {}


@fault("R1's gradient lacks the curvature of instance norm", "L2-style-gradients", "gradients")
class NoCurvatureOfNorms(with_layers(PixelNorm, lambda layer: Flat(layer.axes, layer.epsilon))):
    pass


class Held(Statistics):
    """Statistics with a deviation that has zero gradient."""

    def backward(self, weights, x, adjoint):
        still = np.repeat([1, 0], adjoint.value.shape[1] // 2)
        by_mean = Pair(*(None if part is None else part * still for part in adjoint))
        return super().backward(weights, x, by_mean)


@fault("standard deviations are treated as constants", "L2-style-gradients", "gradients")
class HeldDeviation(with_layers(Statistics, lambda layer: Held())):
    pass


@fault("F gets no gradient from the styles that are mixed in", "L2-style-gradients", "gradients")
class DetachedMix(Reference):
    def styles_backward(self, weights, f, batch, adjoint):
        return super().styles_backward(weights, f, batch, adjoint * self.keeps(batch))


@fault("weights that a level does not use get zero gradients instead of none", "L2-style-gradients", "gradients")
class ZeroForOtherLevels(Reference):
    def differentiate(self, update, weights, batch):
        loss, gradients = super().differentiate(update, weights, batch)
        trained = [name for name in weights if name[0] in self.trains()[update]]
        return loss, {name: gradients.get(name, np.zeros_like(weights[name])) for name in trained}


class Steep(PixelNorm):
    """A norm with a derivative that ignores ε."""

    def backward(self, weights, x, adjoint):
        return PixelNorm(self.axes, 0.0).backward(weights, x, adjoint)


@fault("the derivative of instance norm ignores ε", "L2-deep-gradients", "gradients", "float64")
class DerivativeWithoutEpsilon(with_layers(PixelNorm, lambda layer: Steep(layer.axes, layer.epsilon))):
    pass


class Shifted(Conv):
    """A convolution with its output shifted by one pixel."""

    def forward(self, weights, x):
        return Pair(*(None if part is None else np.roll(part, 1, (1, 2)) for part in super().forward(weights, x)))


@fault("the fused strided convolution pads on one side only", "L2-fused-gradients", "gradients", "float64")
class PaddedOnOneSide(
    with_layers(Conv, lambda layer: Shifted(layer.name, layer.scale) if layer.name == "E/block5/conv2" else layer)
):
    pass


@fault("the kernel of the fused transposed convolution is not flipped", "L2-fused-gradients", "gradients", "float64")
class UnturnedFusedKernel(
    with_layers(Conv, lambda layer: Turned(layer.name, layer.scale) if layer.name == "G/block5/conv1" else layer)
):
    pass


# ---- L3 -------------------------------------------------------------------------------------------------------------


@fault("the running mean of w moves once per step instead of once per update", "L3-style-growth", "w_mean")
class MeanOnce(Reference):
    def step(self, state, images, draws, labels=None):
        after, losses = super().step(state, images, draws, labels)
        weights = {name.removeprefix("weights/"): state[name] for name in state if name.startswith("weights/")}
        return after | {"w_mean": self.mean_step(weights, state["w_mean"], draws["discriminator"].z, labels)}, losses


@fault("the running mean of w uses F as it was before the step", "L3-style-growth", "w_mean")
class MeanOfTheFirstF(Reference):
    def step(self, state, images, draws, labels=None):
        self._at_first = {name.removeprefix("weights/"): state[name] for name in state if name.startswith("weights/")}
        return super().step(state, images, draws, labels)

    def mean_step(self, weights, mean, z, labels):
        return super().mean_step(self._at_first, mean, z, labels)


@fault("the model does not get the running mean of w", "L3-style-model", "in_place")
class HiddenMean(ReferenceSubject):
    def model_state(self):
        return super().model_state() | {"w_mean": np.zeros(self.config.networks.w)}


def at_another_position(**changed):
    """Return a reference with wrong fields of its position, each computed from the position and the configuration."""

    class Changed(Reference):
        def position(self, state):
            found = super().position(state)
            return found._replace(**{name: change(found, self.config) for name, change in changed.items()})

    return Changed


@fault("Adam's state is not reset at a new level", "L3-style-growth", "counts")
class AdamGoesOn(at_another_position(restarts=lambda found, config: False)):
    pass


@fault("Adam's state is reset at the first new level only", "L3-deep-growth", "counts", "float64")
class RestartsOnce(at_another_position(restarts=lambda found, config: found.restarts and found.lod == 1)):
    pass


def on_another_schedule(change):
    """Return a reference that grows by another schedule or at another step, both computed by `change`."""

    class Changed(Reference):
        def position(self, state):
            growth, step = change(self.config.growth, self.paces(), int(state["step"]))
            return position(self.config.model_copy(update={"growth": growth}), step)

        def paces(self):
            return [level.batch_size or self.config.batch_size for level in self.config.growth.levels]

    return Changed


@fault("Adam's state is reset at each level although restart_adam is false", "L3-grown-growth", "counts")
class RestartsAnyway(
    on_another_schedule(lambda growth, paces, step: (growth.model_copy(update={"restart_adam": True}), step))
):
    pass


def rounded_down(growth, paces, step):
    """Drop the images of each level's last, incomplete batch."""
    levels = [
        level.model_copy(update={"images": level.images // pace * pace})
        for level, pace in zip(growth.levels, paces, strict=True)
    ]
    return growth.model_copy(update={"levels": levels}), step


@fault("a level ends before its last, incomplete batch", "L3-grown-growth", "trajectory")
class StepsRoundedDown(on_another_schedule(rounded_down)):
    pass


def wrapped(growth, paces, step):
    """Repeat the schedule after its last step."""
    return growth, step % sum(-(-level.images // pace) for level, pace in zip(growth.levels, paces, strict=True))


@fault("the schedule starts again after its end", "L3-grown-growth", "trajectory")
class WrapsAround(on_another_schedule(wrapped)):
    pass


@fault("real images are downsampled by two instead of four, and cropped", "L3-grown-growth", "trajectory")
class PooledOnce(Reference):
    def show_at_level(self, images, lod, blend):
        size = 4 * 2**lod
        return super().show_at_level(
            images if images.shape[1] == size else average_blocks(images, 2)[:, :size, :size], lod, blend
        )


@fault("float32 under a float64 label: the weights of style networks", "L3-deep-growth", "displacement", "float64")
class Float32StyleWeights(Reference):
    def adam(self, *arguments):
        value, m, v = super().adam(*arguments)
        return value.astype(np.float32).astype(np.float64), m, v


@fault("E's statistics have the ε of G's instance norms", "L3-deep-growth", "displacement", "float64")
class EpsilonOfGInStatistics(with_layers(Statistics, lambda layer: Statistics(1e-8))):
    pass


@fault("every level has the learning rate of the first", "L3-style-growth", "displacement")
class RateOfTheFirstLevel(at_another_position(learning_rate=lambda found, config: config.adam.learning_rate)):
    pass


@fault("the fade is linear", "L3-style-growth", "trajectory")
class StraightFade(at_another_position(blend=lambda found, config: np.arccos(1 - 2 * found.blend) / np.pi)):
    pass


@fault("real images are not faded", "L3-style-growth", "trajectory")
class RealImagesUnfaded(Reference):
    def show_at_level(self, images, lod, blend):
        return super().show_at_level(images, lod, 1.0)


@fault("real images are cropped instead of downsampled", "L3-style-growth", "trajectory")
class RealImagesCut(Reference):
    def show_at_level(self, images, lod, blend):
        return super().show_at_level(images[:, : 4 * 2**lod, : 4 * 2**lod], lod, blend)


@fault("the decay of averages uses the first level's batch size", "L3-style-growth", "averages")
class DecayOfTheFirstLevel(Reference):
    def step(self, state, images, draws, labels=None):
        after, losses = super().step(state, images, draws, labels)
        decay = 0.5 ** (self.config.batch_size / self.config.average_halflife)
        for name in (name for name in state if name.startswith("averages/")):
            weight = after[name.replace("averages/", "weights/")]
            after[name] = decay * state[name] + (1 - decay) * weight
        return after, losses


@fault("Adam gets gradients by the stored weights instead of the scaled ones", "L3-style-growth", "displacement")
class StoredEpsilon(Reference):
    def __init__(self, config):
        super().__init__(config)
        self.scales = dict.fromkeys(self.scales, 1.0)


@fault("weights of later levels decay", "L3-style-growth", "untouched")
class NextLevelDecays(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        trained = tuple(f"weights/{network}" for network in self.trains()[update])
        for name in (name for name in state if name.startswith(trained)):
            if name.removeprefix("weights/") not in gradients:
                state[name] = state[name] * 0.999
