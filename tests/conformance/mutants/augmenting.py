"""L0 to L5: faults in augmentation and in the adaptive p."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np

from alae_conformance.reference import augment
from alae_conformance.reference.augment import CUTOUT, FLIP, SHIFT, adapt_p
from alae_conformance.reference.draws import draw_augmentation
from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.draws import Draws
from tests.conformance.mutants.registry import fault

_VALUES = ("L1-augmented-values", "losses")

# ---- images that are augmented --------------------------------------------------------------------------------------


@fault("only generated images are augmented", *_VALUES)
class RealsAsTheyAre(Reference):
    def augment(self, images, batch):
        return images if images is batch.images else super().augment(images, batch)


@fault("only real images are augmented", *_VALUES)
class FakesAsTheyAre(Reference):
    def augment(self, images, batch):
        return super().augment(images, batch) if images is batch.images else images


@fault("images are augmented in the reciprocity update too", *_VALUES)
class AugmentedReciprocity(Reference):
    def reciprocity(self, weights, batch):
        numbers = np.random.default_rng(0).random((len(batch.z), 16))
        return super().reciprocity(weights, batch._replace(augment=numbers))

    def encode(self, weights, images, batch, direction=None):
        adversarial = batch.mix is not None or batch.augment is None or batch.augment.dtype == np.float32
        return super().encode(weights, images if adversarial else self.augment(images, batch), batch, direction)


@fault("R1 uses the gradient with respect to images before augmentation", *_VALUES)
class R1BeforeAugmentation(Reference):
    def discriminator(self, weights, batch):
        loss, gradients = super().discriminator(weights, batch)
        _, g = self.input_gradient(weights, batch._replace(images=self.augment(batch.images, batch)))
        before = self.augment_backward(g, batch)
        return loss + self.gamma / 2 * ((before**2).sum() - (g**2).sum()) / len(g), gradients


@fault("no gradient passes through augmentation", "L2-augmented-gradients", "gradients")
class GradientsEnd(Reference):
    def augment_backward(self, adjoint, batch):
        return 0 * adjoint


@fault("gradients ignore augmentation", "L2-augmented-gradients", "gradients")
class GradientsPassBy(Reference):
    def augment_backward(self, adjoint, batch):
        return adjoint


# ---- transformations ------------------------------------------------------------------------------------------------


class OtherNumbers(Reference):
    """Augment with random numbers other than the given ones."""

    def augmentation(self, shape, batch):
        if batch.augment is None:
            return None
        return super().augmentation(shape, batch._replace(augment=self.otherwise(np.array(batch.augment))))


@fault("images are flipped with probability p, not p/2", *_VALUES)
class FlippedTooOften(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, FLIP] /= 2
        return numbers


@fault("images are rotated in the wrong direction", *_VALUES)
class TurnedBack(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, 7] = 1 - numbers[:, 7]
        return numbers


@fault("images are enlarged where they should be reduced", *_VALUES)
class LargerForSmaller(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, 5] = 1 - numbers[:, 5]
        return numbers


@fault("shifts are fractions of a pixel, not of the image", *_VALUES)
class ShiftedByPixels(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, SHIFT][:, 1:] = 0.5 + (numbers[:, SHIFT][:, 1:] - 0.5) / 6
        return numbers


@fault("hue is not changed", *_VALUES)
class NoHue(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, 12] = 0.5
        return numbers


@fault("saturation is not changed", *_VALUES)
class NoSaturation(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, 11] = 0.5
        return numbers


@fault("one random number decides whether all transformations happen", *_VALUES)
class AllOrNothing(OtherNumbers):
    def otherwise(self, numbers):
        for first in (1, 4, 6, 8, 13):
            numbers[:, first] = numbers[:, FLIP]
        return numbers


@fault("all images of a batch are augmented identically", *_VALUES)
class BatchAlike(OtherNumbers):
    def otherwise(self, numbers):
        return numbers[:1].repeat(len(numbers), 0)


@fault("the cut-out exchanges row and column", *_VALUES)
class CutElsewhere(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, CUTOUT] = numbers[:, [13, 15, 14]]
        return numbers


class OtherEdges(Reference):
    """Interpolate with other weights, (places, pixels)."""

    def augmentation(self, shape, batch):
        with patch.object(augment, "_interpolation", self.interpolation):
            return super().augmentation(shape, batch)


@fault("pixels outside the image are black", *_VALUES)
class BlackEdges(OtherEdges):
    def interpolation(self, at, size):
        return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size)))


@fault("pixels outside the image repeat the edge", *_VALUES)
class EndlessEdges(OtherEdges):
    def interpolation(self, at, size):
        return np.maximum(0, 1 - np.abs(np.clip(at, 0, size - 1)[:, None] - np.arange(size)))


@fault("resampling takes the nearest pixel instead of interpolating", *_VALUES)
class NearestPixels(OtherEdges):
    interpolation = staticmethod(lambda at, size, sound=augment._interpolation: sound(np.rint(at), size))


class OtherMaps(Reference):
    """Augment with other matrices."""

    def augmentation(self, shape, batch):
        found = super().augmentation(shape, batch)
        return None if found is None else self.otherwise(found)


@fault("brightness is applied before contrast, not after", *_VALUES)
class BrighterFirst(OtherMaps):
    def otherwise(self, found):
        # Grey is unchanged by hue and saturation, so it shows the contrast.
        return replace(found, offset=found.offset * found.colour[:, 0].sum(1))


@fault("the cut-out is applied before brightness, which then fills it", *_VALUES)
class CutBeforeColour(OtherMaps):
    def otherwise(self, found):
        class Earlier(augment.Augmentation):
            def apply(self, images):
                offset = (1 - self.keep)[..., None] * self.offset[:, None, None]
                return super().apply(images) + offset.reshape(*images.shape[:3], 1)

        return Earlier(**vars(found))


@fault("transformations happen that are not configured", "L3-adaptive-run", "trajectory")
class AllTransforms(Reference):
    def augmentation(self, shape, batch):
        chosen = self.config
        every = chosen.augment.model_copy(
            update={"transforms": ("flip", "shift", "scale", "rotate", "colour", "cutout")}
        )
        self.config = chosen.model_copy(update={"augment": every})
        found = super().augmentation(shape, batch)
        self.config = chosen
        return found


# ---- random numbers, and the adaptive p -----------------------------------------------------------------------------


@fault("both adversarial updates draw the same augmentation", "L0-adaptive-contract", "draws")
class SameChanges(ReferenceSubject):
    def draw_update(self, update, step, count):
        found: Draws = super().draw_update(update, step, count)
        return found._replace(augment=draw_augmentation(self.config, "generator", step, count))


@fault("the state leaves out the p that adapts", "L0-adaptive-contract", "names")
class NoPInState(ReferenceSubject):
    def state(self):
        return {name: array for name, array in super().state().items() if name != "augment_p"}

    def load(self, state):
        super().load({"augment_p": self._state["augment_p"], **state})


@fault("p does not change", "L3-adaptive-run", "augment_p")
class PStays(Reference):
    def p_step(self, weights, p, batch, batch_size):
        return p


@fault("p falls when it should rise", "L3-adaptive-run", "augment_p")
class PTheOtherWay(Reference):
    def p_step(self, weights, p, batch, batch_size):
        return float(np.clip(2 * p - super().p_step(weights, p, batch, batch_size), 0, 0.8))


@fault("p uses the mean margin instead of the mean of its signs", "L3-adaptive-run", "augment_p")
class MeanOfMargins(Reference):
    def p_step(self, weights, p, batch, batch_size):
        choice = self.config.augment
        step = batch_size / choice.images * np.sign(self.margins(weights, batch).mean() - choice.target)
        return float(np.clip(p + step, 0, 0.8))


@fault("p uses the mean sign of D on real images, as in StyleGAN2-ADA", "L3-adaptive-run", "augment_p")
class SureOfReals(Reference):
    def margins(self, weights, batch):
        return self.input_gradient(weights, batch._replace(images=self.augment(batch.images, batch)))[0]


@fault("p uses D's logits on images that are not augmented", "L3-adaptive-run", "augment_p")
class SureOfImages(Reference):
    def p_step(self, weights, p, batch, batch_size):
        return super().p_step(weights, p, batch._replace(augment=None), batch_size)


@fault("p rises beyond 0.8", "L3-adaptive-run", "augment_p")
class PBeyond(Reference):
    def p_step(self, weights, p, batch, batch_size):
        margins = self.margins(weights, batch)
        choice = self.config.augment
        share = batch_size / choice.images
        return (
            adapt_p(p, np.sign(margins).mean(), choice.target, share)
            if p < 0.7
            else p + share * np.sign(np.sign(margins).mean() - choice.target)
        )


@fault("p moves as if each batch had one image", "L3-adaptive-run", "augment_p")
class PBySteps(Reference):
    def p_step(self, weights, p, batch, batch_size):
        return super().p_step(weights, p, batch, 1)


@fault("p moves after the discriminator's update", "L3-adaptive-run", "trajectory")
class PLate(Reference):
    def p_step(self, weights, p, batch, batch_size):
        self._next = super().p_step(weights, p, batch, batch_size)
        return p

    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        if update == "discriminator":
            state["augment_p"] = np.array(self._next)


@fault("resuming resets p", "L5-adaptive-portability", "own")
class PStartsAgain(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state["augment_p"] = np.array(self.config.augment.p)


@fault("resuming counts a run's images from its own first step", "L5-entwined-portability", "own", "float64")
class ResumedOnce(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        state = self._state
        self.open(self.config.model_copy(update={"resumed": None}).data())
        self.load(state)
