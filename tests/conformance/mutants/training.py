"""L0 and L3: faults in initial states, in random numbers and in batches."""

import numpy as np

from alae_conformance.reference.draws import stream
from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.registry import fault

# ---- initial states -------------------------------------------------------------------------------------------------


@fault("kernels have a third of Glorot's variance", "L0-leaky-initial", "initial")
class OtherGlorot(Reference):
    def initial_weight(self, name, shape):
        return super().initial_weight(name, shape) / np.sqrt(3)


@fault("averages start at zero", "L0-leaky-initial", "initial")
class AveragesFromZero(Reference):
    def initial_state(self, weights):
        state = super().initial_state(weights)
        return state | {name: np.zeros_like(state[name]) for name in state if name.startswith("averages/")}


@fault("the weights of all layers come from one random stream", "L0-official-initial", "initial")
class OneStream(Reference):
    def initial_weight(self, name, shape):
        found = super().initial_weight("F/dense0/kernel", shape)
        return found if name.endswith("kernel") else np.zeros(shape)


@fault("noise weights start at one, not zero", "L0-style-initial", "initial")
class NoiseFromTheStart(Reference):
    def initial_weight(self, name, shape):
        return np.ones(shape) if name.endswith("noise") else super().initial_weight(name, shape)


# ---- noise of a device ----------------------------------------------------------------------------------------------


@fault("noise is uniform, with mean 0 and variance 1", "L0-style-noise", "noise")
class UniformNoise(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return stream(self.config, f"{update}/{layer}", step).uniform(-np.sqrt(3), np.sqrt(3), shape)


@fault("noise has variance 1/2", "L0-style-noise", "noise")
class FaintNoise(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return super()._map(update, step, layer, shape) / np.sqrt(2)


@fault("all images of a batch share their noise", "L0-style-noise", "noise")
class SharedNoise(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return super()._map(update, step, layer, (1, *shape[1:])).repeat(shape[0], 0)


@fault("all rows of a map share their noise", "L0-style-noise", "noise")
class StripedNoise(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return super()._map(update, step, layer, (shape[0], 1, *shape[2:])).repeat(shape[1], 1)


@fault("the noise of every layer starts with the same numbers", "L0-style-noise", "noise")
class SameNoiseInLayers(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return super()._map(update, step, 0, shape)


@fault("every update has the same noise", "L0-style-noise", "noise")
class SameNoiseInUpdates(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return super()._map("generator", step, layer, shape)


@fault("every step has the same noise", "L0-style-noise", "noise")
class SameNoiseEachStep(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return super()._map(update, 0, layer, shape)


@fault("every seed has the same noise", "L0-style-noise", "noise")
class SameNoiseForSeeds(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        seeded, self.config = self.config, self.config.model_copy(update={"seed": 0})
        found = super()._map(update, step, layer, shape)
        self.config = seeded
        return found


@fault("noise does not depend on the seed", "L0-style-noise", "repeats")
class UnseededNoise(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return np.random.default_rng().standard_normal(shape)


@fault("the learned constant has one noise map per image, not one for the batch", "L0-style-noise", "shapes")
class NoiseOnTheConstant(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        return super()._map(update, step, layer, shape).repeat(1 if layer else 2, 0)


# ---- steps that draw their own random numbers -----------------------------------------------------------------------


class OtherDraws(ReferenceSubject):
    """Draw other numbers in steps that draw their own."""

    def _step(self, images, labels, draws):
        if draws is None:
            draws = self.otherwise(self._draws_and_noise(int(self._state["step"]), len(images)))
        return super()._step(images, labels, draws)


@fault("a step that draws for itself mixes no styles", "L3-style-drawn", "drawn")
class UnmixedSteps(OtherDraws):
    def otherwise(self, draws):
        return {update: drawn._replace(mix=None, cutoff=None) for update, drawn in draws.items()}


@fault("a step that draws for itself has no noise", "L3-style-drawn", "drawn")
class NoiselessSteps(OtherDraws):
    def otherwise(self, draws):
        return {
            update: drawn._replace(noise=[np.zeros_like(map) for map in drawn.noise]) for update, drawn in draws.items()
        }


@fault("in a step that draws for itself, reciprocity has the generator's noise", "L3-style-drawn", "drawn")
class RepeatedNoise(OtherDraws):
    def otherwise(self, draws):
        return draws | {"reciprocity": draws["reciprocity"]._replace(noise=draws["generator"].noise)}


# ---- batches --------------------------------------------------------------------------------------------------------


@fault("labels are lost between put and step", "L3-labels-fed", "trajectory")
class LostLabels(ReferenceSubject):
    def _put(self, images, labels=None):
        return np.array(images), np.zeros_like(labels)


@fault("put overwrites the previous batch", "L3-labels-fed", "trajectory")
class OverwrittenBatch(ReferenceSubject):
    def train(self, batches, steps, given=False):
        self._place = np.empty_like(batches.images[0])
        return super().train(batches, steps, given)

    def _put(self, images, labels=None):
        self._place[...] = images
        return self._place, np.array(labels)


@fault("uint8 images are divided by 128", "L3-labels-fed", "trajectory")
class OtherBytes(ReferenceSubject):
    def _put(self, images, labels=None):
        return images / 128.0 - 1, np.array(labels)


# ---- a step of one update -------------------------------------------------------------------------------------------


class Alone(Reference):
    """A reference that leaves some arrays unchanged in a step of one update."""

    stays = ""

    def step(self, state, images, draws, labels=None):
        after, losses = super().step(state, images, draws, labels)
        alone = len(draws) == 1
        return after | {name: state[name] for name in state if alone and name.startswith(self.stays)}, losses


@fault("a step of one update does not move the averages", "L3-leaky-only", "averages")
class AveragesAlone(Alone):
    stays = "averages/"


@fault("a step of one update does not increment the step count", "L3-leaky-only", "counts")
class UncountedAlone(Alone):
    stays = "step"


@fault("a step of one update moves only the averages of the networks it trains", "L3-leaky-only", "averages")
class AveragesOfTheTrained(Alone):
    stays = ("averages/E", "averages/D")


@fault("float32 under a float64 label: the mean of w", "L3-style-only", "w_mean", "float64")
class Float32Mean(Reference):
    def mean_step(self, weights, mean, z, labels):
        return super().mean_step(weights, mean, z, labels).astype(np.float32).astype(np.float64)
