"""L0 and L3: faults that only large seeds, steps, counts and other sizes of batches show."""

import numpy as np

from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.draws import Draws
from tests.conformance.mutants.registry import fault


class DrawsOfAnotherStep(ReferenceSubject):
    """Draws the random numbers of `self.drawn_step(step)`."""

    def draw_update(self, update, step, count):
        return super().draw_update(update, self.drawn_step(step), count)


@fault("random numbers repeat after 2^32 steps", "L0-leaky-far", "draws")
class ShortSteps(DrawsOfAnotherStep):
    def drawn_step(self, step):
        return step % 2**32


@fault("steps are rounded to float32 before random numbers are drawn", "L0-style-far", "draws")
class FloatSteps(DrawsOfAnotherStep):
    def drawn_step(self, step):
        return int(np.float32(step + 1)) - 1


@fault("a run's seed is cut to 32 bits", "L0-leaky-far", "initial")
class ShortSeed(ReferenceSubject):
    def open(self, config, **options):
        super().open({**config, "seed": config["seed"] % 2**32}, **options)


@fault("the step count is a 32-bit number", "L0-leaky-far", "counts")
class ShortCount(ReferenceSubject):
    def state(self):
        found = super().state()
        return found | {"step": np.array(int(found["step"]) % 2**32)}


class NoiseOfAnotherStep(ReferenceSubject):
    """Draws the noise of `self.drawn_step(step)`."""

    def noise(self, step, count):
        return super().noise(self.drawn_step(step), count)


@fault("noise repeats every 2^20 steps", "L0-style-fields", "distinct")
class NoiseEveryMillion(NoiseOfAnotherStep):
    def drawn_step(self, step):
        return step if step < 2**20 else step % 2**20 + 100


@fault("two steps in a row have the same noise", "L0-style-fields", "distinct")
class NoiseForTwoSteps(NoiseOfAnotherStep):
    def drawn_step(self, step):
        return step - step % 2


@fault("images after the 256th have the noise of the first ones", "L0-style-fields", "distinct")
class NoiseRepeats(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        found = super()._map(update, step, layer, shape)
        return np.resize(found[:256], found.shape)


@fault("the noise of more than 100 images has half the variance", "L0-style-fields", "noise")
class FaintForMany(ReferenceSubject):
    def _map(self, update, step, layer, shape):
        found = super()._map(update, step, layer, shape)
        return found if len(found) < 100 else found / np.sqrt(2)


@fault("Adam's bias correction starts again after 1,024 steps", "L3-smooth-counts", "displacement")
class CountsWrap(Reference):
    def adam(self, value, m, v, gradient, t, learning_rate):
        return super().adam(value, m, v, gradient, (t - 1) % 1024 + 1, learning_rate)


@fault("Adam's counts end at 65,536", "L3-smooth-counts", "counts")
class CountsEnd(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        for name in (name for name in state if name.endswith("/t")):
            state[name] = np.minimum(state[name], 2**16)


@fault("the warm-up is left out after the first step", "L3-smooth-counts", "displacement")
class WarmupLost(Reference):
    def adam(self, value, m, v, gradient, t, learning_rate):
        lost = 1 - self.config.adam.warmup**t if t > 1 and t < 10 else 1
        return super().adam(value, m, v, gradient, t, learning_rate / lost)


class SizedBatches(ReferenceSubject):
    """Changes batches by `self.changed(images, labels, draws)`."""

    def _step(self, images, labels, draws):
        return super()._step(*self.changed(images, labels, draws))


@fault("sums over a batch are divided by the configuration's batch size", "L3-labels-sizes", "losses")
class DividedByTheUsual(Reference):
    def differentiate(self, update, weights, batch):
        loss, gradients = super().differentiate(update, weights, batch)
        share = len(batch.images) / self.config.batch_size
        return loss * share, {name: each * share for name, each in gradients.items()}


@fault("images beyond the configuration's batch size are left out", "L3-labels-sizes", "losses")
class CutToTheUsual(SizedBatches):
    def changed(self, images, labels, draws):
        size = self.config.batch_size
        cut = {update: Draws(None if drawn.z is None else drawn.z[:size]) for update, drawn in draws.items()}
        return images[:size], labels[:size], cut


@fault("labels stay those of an earlier batch of the same size", "L3-labels-sizes", "displacement")
class LabelsBySize(SizedBatches):
    def __init__(self):
        super().__init__()
        self.seen = {}

    def changed(self, images, labels, draws):
        return images, self.seen.setdefault(len(labels), np.roll(labels, 1)), draws
