"""L3: faults beyond the first level, and in batches that are put ahead."""

import numpy as np

from alae_conformance.reference.growth import position
from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.constants import OtherPosition
from tests.conformance.mutants.registry import fault


class OwnDraws(ReferenceSubject):
    """Changes the random numbers that a step draws for itself by `self.changed(drawn, step)`."""

    def _step(self, images, labels, draws):
        if draws is None:
            step = int(self._state["step"])
            drawn = self._due(self._draws_and_noise(step, len(images)), step)
            draws = {update: self.changed(each, step) for update, each in drawn.items()}
        return super()._step(images, labels, draws)


@fault("a step that draws for itself has no noise beyond the first level", "L3-style-ahead", "drawn")
class NoiselessBeyond(OwnDraws):
    def changed(self, drawn, step):
        return drawn._replace(noise=[0 * array for array in drawn.noise]) if step >= 2 else drawn


@fault("a step that draws for itself draws the styles of the first level", "L3-style-ahead", "drawn")
class FirstLevelsCutoff(OwnDraws):
    def changed(self, drawn, step):
        return drawn._replace(cutoff=drawn.cutoff and min(drawn.cutoff, 1))


@fault("Adam restarts only in steps that are given their random numbers", "L3-style-ahead", "state")
class RestartsIfGiven(ReferenceSubject):
    def _step(self, images, labels, draws):
        kept = {name: array for name, array in self._state.items() if name.startswith("adam/")}
        restarts = draws is None and int(self._state["step"]) == 2
        losses = super()._step(images, labels, draws)
        if restarts:
            self._state |= {name: array for name, array in kept.items() if "/v/" in name}
        return losses


@fault("of several steps that draw for themselves, one is not counted", "L3-style-ahead", "counts")
class CountsOneLess(ReferenceSubject):
    def train(self, batches, steps, given=False, same=False):
        losses = super().train(batches, steps, given, same)
        self._state["step"] = self._state["step"] - (0 if given else 1)
        return losses


@fault("a loaded state of a coarser level is trained at the finer one", "L3-style-levels", "displacement")
class StaysFine(ReferenceSubject):
    finest = 0

    def run(self, batches, steps, only=None):
        self.finest = max(self.finest, int(self._state["step"]))
        self._state["step"] = np.array(self.finest)
        return super().run(batches, steps, only)


@fault("loading a state of another level keeps the mean of w", "L3-style-levels", "w_mean")
class MeanKept(ReferenceSubject):
    def load(self, state):
        kept = self._state["w_mean"]
        super().load(state)
        self._state["w_mean"] = kept if kept.any() else self._state["w_mean"]

    def state(self):
        return super().state() | {"w_mean": np.asarray(self._state["w_mean"], self.config.dtype)}


@fault("loading a state keeps the moments of levels that it does not train", "L3-style-levels", "moments")
class MomentsKept(ReferenceSubject):
    def load(self, state):
        kept = {name: array for name, array in self._state.items() if "/v/" in name and "block1" in name}
        super().load(state)
        self._state |= {name: array for name, array in kept.items() if array.any()}


@fault("the model gets the run's weights at every second step", "L3-style-legs", "in_place")
class ModelEverySecond(ReferenceSubject):
    def run(self, batches, steps, only=None):
        before = super().model_state()
        losses = super().run(batches, steps, only)
        self.held = before if int(self._state["step"]) % 2 else None
        return losses

    def model_state(self):
        return self.held or super().model_state()


@fault("the model has the weights of the step before", "L3-leaky-legs", "in_place")
class ModelLate(ReferenceSubject):
    def run(self, batches, steps, only=None):
        super().run(batches, steps - 1, only)
        self.held = super().model_state()
        return super().run(batches, 1, only)

    def model_state(self):
        return self.held


@fault("a step consumes the batch that was put, and leaves zeros", "L3-labels-twice", "trajectory")
class BatchConsumed(ReferenceSubject):
    def _step(self, images, labels, draws):
        losses = super()._step(images, labels, draws)
        images[...] = 0
        return losses


@fault("a step makes its batch 1 % fainter", "L3-labels-twice", "displacement")
class BatchChanged(ReferenceSubject):
    def _step(self, images, labels, draws):
        losses = super()._step(images, labels, draws)
        images *= 0.99
        return losses


@fault("labels of a batch are used once", "L3-labels-twice", "trajectory")
class LabelsOnce(ReferenceSubject):
    def _step(self, images, labels, draws):
        losses = super()._step(images, labels, draws)
        labels[...] = 0
        return losses


# ---- long schedules -------------------------------------------------------------------------------------------------


@fault(
    "levels after the second have the learning rate of the configuration", "L3-lasting-paces", "displacement", "float64"
)
class RateOfTheConfiguration(OtherPosition):
    def other(self, here, step):
        return here._replace(learning_rate=self.config.adam.learning_rate) if here.lod and here.lod > 1 else here


@fault("the last level does not fade in", "L3-lasting-paces", "losses", "float64")
class LastLevelAppears(OtherPosition):
    def other(self, here, step):
        return here._replace(blend=1.0) if here.lod == 3 else here


@fault("Adam restarts at the second level only", "L3-lasting-paces", "counts", "float64")
class RestartsAtTheSecond(OtherPosition):
    def other(self, here, step):
        return here._replace(restarts=here.restarts and here.lod == 1)


@fault("a level whose batches do not divide its images ends a step early", "L3-lasting-paces", "losses", "float64")
class LevelEndsEarly(Reference):
    def position(self, state):
        last = 150_000 + 20_000
        return super().position({"step": np.array(last + 1)} if state["step"] == last else state)


@fault("a step of the third level uses two images for the mean of w", "L3-lasting-paces", "w_mean", "float64")
class MeanOfTwoImages(Reference):
    def mean_step(self, weights, mean, z, labels):
        return super().mean_step(weights, mean, z[:2] if len(z) == 3 else z, labels)


@fault(
    "the rate of a level is that of the level before at its first step", "L3-lasting-paces", "displacement", "float64"
)
class RateOneStepLate(OtherPosition):
    def other(self, here, step):
        return here._replace(learning_rate=position(self.config, max(step - 1, 0)).learning_rate)


@fault("the first level that a run trains does not fade in", "L3-entered-growth", "trajectory", "float64")
class FirstTrainedAppears(OtherPosition):
    def other(self, here, step):
        return here._replace(blend=1.0) if here.lod == self.config.growth.from_level else here
