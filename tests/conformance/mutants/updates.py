"""L3 and L4: faults in which networks move, when, and on which z; and in reciprocity."""

from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import Batch
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.registry import EQUIVALENTS, fault


@fault("reciprocity trains F too", "L3-leaky-substeps", "untouched")
class MovesF(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        if update == "reciprocity":
            for name in (name for name in state if name.startswith("weights/F")):
                state[name] = state[name] - 1e-3 * state[name]


@fault("a zero gradient makes D's second moment decay in reciprocity", "L3-official-substeps", "untouched")
class ZeroGradientTicksD(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        if update == "reciprocity":
            for name in (name for name in state if name.startswith("adam/encoder/D/v/")):
                state[name] = state[name] * self.config.adam.beta2


class Partial(Reference):
    """A reference in which an update does not train some of its networks."""

    update, stay = "", ""

    def apply(self, state, update, gradients):
        before = {**state}
        super().apply(state, update, gradients)
        if update == self.update:
            state |= {name: before[name] for name in state if name.startswith(tuple(f"weights/{n}" for n in self.stay))}


@fault("reciprocity trains E only", "L3-leaky-substeps", "displacement")
class MovesOnlyE(Partial):
    update, stay = "reciprocity", "G"


@fault("reciprocity trains G only", "L3-leaky-substeps", "displacement")
class MovesOnlyG(Partial):
    update, stay = "reciprocity", "E"


@fault("the generator's update does not train F", "L3-leaky-substeps", "displacement")
class FrozenF(Partial):
    update, stay = "generator", "F"


@fault("the discriminator's update does not train D", "L3-leaky-substeps", "displacement")
class FrozenD(Partial):
    update, stay = "discriminator", "D"


@fault("all three updates have the same z", "L3-leaky-run", "trajectory")
class SameZ(Reference):
    def step(self, state, images, draws, labels=None):
        first = next(iter(draws.values()))
        return super().step(state, images, dict.fromkeys(draws, first), labels)


@fault("every step has the same z", "L3-leaky-run", "trajectory")
class SameZEachStep(ReferenceSubject):
    def _all_draws(self, step, count):
        return super()._all_draws(0, count)


@fault("updates are simultaneous instead of sequential", "L3-leaky-run", "trajectory")
class Simultaneous(Reference):
    def step(self, state, images, draws, labels=None):
        self._at_first = {name.removeprefix("weights/"): state[name] for name in state if name.startswith("weights/")}
        return super().step(state, images, draws, labels)

    def differentiate(self, update, weights, batch):
        return super().differentiate(update, self._at_first, batch)


@fault("the generator's update precedes the discriminator's", "L3-leaky-run", "trajectory")
class OtherOrder(Reference):
    def trains(self):
        found = super().trains()
        return {update: found[update] for update in ("generator", "discriminator", "reciprocity") if update in found}


@fault("every step trains on the first batch", "L3-hinge-run", "trajectory")
class SameBatch(ReferenceSubject):
    def run(self, batches, steps, only=None):
        return super().run(type(batches)(batches.images[:1], batches.labels), steps, only)


@fault("every batch has the labels of the first", "L3-labels-run", "trajectory")
class StaleLabels(ReferenceSubject):
    def run(self, batches, steps, only=None):
        labels = None if batches.labels is None else batches.labels[[0] * len(batches.labels)]
        return super().run(type(batches)(batches.images, labels), steps, only)


@fault("training moves a copy of the model that was given", "L3-leaky-run", "in_place")
class StaleModel(ReferenceSubject):
    def load(self, state):
        super().load(state)
        self._loaded = self.weights()

    def model_state(self):
        return {f"weights/{name}": array for name, array in self._loaded.items()}


@fault("losses are computed after their update", "L3-leaky-substeps", "losses")
class LossAfterwards(Reference):
    def step(self, state, images, draws, labels=None):
        after, losses = super().step(state, images, draws, labels)
        weights = {name.removeprefix("weights/"): after[name] for name in after if name.startswith("weights/")}
        return after, {u: self.differentiate(u, weights, Batch(images, draws[u].z, labels))[0] for u in losses}


@fault("averages are updated before the step", "L3-leaky-run", "averages")
class AveragesBefore(Reference):
    def step(self, state, images, draws, labels=None):
        after, losses = super().step(state, images, draws, labels)
        again, _ = super().step(state, images, {}, labels)
        return after | {name: again[name] for name in again if name.startswith("averages/")}, losses


@fault("the decay of averages ignores the batch size", "L3-official-run", "averages")
class OtherDecay(Reference):
    def __init__(self, config):
        super().__init__(config)
        self.config = config.model_copy(update={"batch_size": 1})


@fault("the reciprocity update is missing", "L4-leaky-reciprocity", "ratio")
class NoReciprocity(Reference):
    def apply(self, state, update, gradients):
        if update != "reciprocity":
            super().apply(state, update, gradients)


@fault("the reciprocity update has a third of its learning rate", "L4-leaky-reciprocity", "equivalence")
class SlowReciprocity(Reference):
    def apply(self, state, update, gradients):
        before = {**state}
        super().apply(state, update, gradients)
        if update == "reciprocity":
            for name in (name for name in state if name.startswith("weights/")):
                state[name] = before[name] + (state[name] - before[name]) / 3


@fault("averages as a step towards the weights", "L3-leaky-run", "averages", into=EQUIVALENTS)
class AveragesMoved(Reference):
    def step(self, state, images, draws, labels=None):
        after, losses = super().step(state, images, draws, labels)
        share = 1 - 0.5 ** (self.config.batch_size / self.config.average_halflife)
        for name in (name for name in state if name.startswith("averages/")):
            weight = after[name.replace("averages/", "weights/")]
            after[name] = state[name] + share * (weight - state[name])
        return after, losses
