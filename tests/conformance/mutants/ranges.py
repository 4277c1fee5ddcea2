"""L0 and L3: faults that only large seeds, steps, counts and other sizes of batches show."""

import numpy as np

from alae_conformance.reference.model import Model
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


@fault("Adam's counts are rounded to half precision for the step", "L3-particular-counts", "displacement", "float64")
class CountsRounded(Reference):
    def adam(self, value, m, v, gradient, t, learning_rate):
        return super().adam(value, m, v, gradient, min(float(np.float16(min(t, 60_000))), t), learning_rate)


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


# ---- sizes of images ------------------------------------------------------------------------------------------------


@fault("perceptrons read wide images column by column", "L1-leaky-sizes", "looking")
class WideByColumns(Model):
    def encode(self, x, view=None, *, labels=None):
        wide = x.shape[2] > x.shape[1]
        return super().encode(x.swapaxes(1, 2).reshape(x.shape) if wide else x, view, labels=labels)


@fault("perceptrons round the sides of images to even numbers", "L1-leaky-sizes", "exact")
class EvenSides(Model):
    def image_shape(self, view=None):
        height, width, channels = super().image_shape(view)
        return height + height % 2, width, channels

    def _require_images(self, images, view):
        """Accept images of the size that they have."""


@fault("conv networks shape their coarsest maps as wide as high", "L1-conv-sizes", "looking")
class CoarsestTurned(Model):
    def generate(self, w, view=None, *, noise="fixed", labels=None):
        images = super().generate(w, view, noise=noise, labels=labels)
        return images.swapaxes(1, 2).reshape(images.shape)


@fault("conv networks ignore the columns of images after the 64th", "L1-conv-sizes", "looking")
class ColumnsIgnored(Model):
    def encode(self, x, view=None, *, labels=None):
        return super().encode(x * (np.arange(x.shape[2]) < 64)[:, None], view, labels=labels)


@fault("style networks of 128 pixels have no noise in their last layers", "L1-blended-sizes", "looking", "float64")
class NoiselessAt128(Model):
    def generate(self, w, view=None, *, noise="fixed", labels=None):
        if not isinstance(noise, str):
            noise = [array * (number < 10) for number, array in enumerate(noise)]
        return super().generate(w, view, noise=noise, labels=labels)


@fault("style networks of four pixels encode images of half the contrast", "L1-blended-sizes", "looking", "float64")
class SmallestFaint(Model):
    def encode(self, x, view=None, *, labels=None):
        return super().encode(x / 2 if x.shape[1] == 4 else x, view, labels=labels)


class OnlyOfSize(Model):
    """Generates images of `self.size` column by column."""

    def generate(self, *arguments, **options):
        found = super().generate(*arguments, **options)
        height, width = found.shape[1:3]
        if not self.is_wrong(height, width):
            return found
        return found.reshape(len(found), width, height, -1).swapaxes(1, 2)


@fault("perceptrons write images of 96 pixels' height column by column", "L1-leaky-sides", "looking")
class TurnedAt96(OnlyOfSize):
    def is_wrong(self, height, width):
        return height == 96


@fault("perceptrons lose the third channel of images wider than 125 pixels", "L1-leaky-sides", "exact")
class TwoChannels(Model):
    def generate(self, *arguments, **options):
        found = super().generate(*arguments, **options)
        return found[..., :2] if found.shape[2] > 125 else found


@fault("conv networks write images of 80 by 128 pixels column by column", "L1-conv-sides", "looking")
class TurnedAt80(OnlyOfSize):
    def is_wrong(self, height, width):
        return (height, width) == (80, 128)
