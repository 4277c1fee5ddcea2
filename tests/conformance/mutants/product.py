"""L2 and L3: hidden state that only the cross product of batches shows."""

import numpy as np

from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.crossing import CachedByIdentity, Remembering
from tests.conformance.mutants.registry import fault


@fault("the second level keeps its blend unless labels change", "L2-conditional-product", "gradients", "float64")
class BlendByLabels(Remembering):
    def remember(self, batch):
        return batch._replace(blend=self.keep((batch.images.shape, batch.labels.tobytes()), batch.blend))


@fault(
    "noise that is given is ignored once the device has drawn some", "L2-conditional-product", "gradients", "float64"
)
class DrawnOnce(ReferenceSubject):
    drew = False

    def gradients(self, update, inputs):
        drawn = inputs.draws[update]
        self.drew = self.drew or drawn.noise is None
        noise = None if self.drew else drawn.noise
        return super().gradients(update, inputs._replace(draws={update: drawn._replace(noise=noise)}))


@fault("the device's noise is that of the step before", "L2-conditional-product", "drawn", "float64")
class NoiseOfTheStepBefore(ReferenceSubject):
    def _draw_maps(self, update, step, lod, count):
        return super()._draw_maps(update, step - (lod == 1), lod, count)

    def noise(self, step, count):
        return super().noise(step + 1, count)


@fault("outputs for one image are those of the first", "L2-conditional-product", "forward", "float64")
class FirstOutput(ReferenceSubject):
    kept = None

    def forward(self, inputs):
        found = super().forward(inputs)
        if len(inputs.w) > 1:
            return found
        self.kept = self.kept or found
        return found | {"F": self.kept["F"]}


class CachedPart(CachedByIdentity):
    """Keeps a copy of one array of a batch, by its address."""

    def gradients(self, update, inputs):
        return super().gradients(update, self.cached(update, inputs))


@fault("z of gradients is cached by its address", "L2-mixed-product", "again", "float64")
class CachedZOfGradients(CachedPart):
    def cached(self, update, inputs):
        drawn = inputs.draws[update]
        return inputs._replace(draws={update: drawn._replace(z=self.copy_of(drawn.z))})


@fault("labels of gradients are cached by their address", "L2-shown-product", "again", "float64")
class CachedLabelsOfGradients(CachedPart):
    def cached(self, update, inputs):
        return inputs._replace(labels=self.copy_of(inputs.labels))


@fault("a put batch has the labels of the first of its size", "L3-labels-product", "losses", "float64")
class LabelsOfPutBatches(ReferenceSubject):
    def __init__(self):
        super().__init__()
        self.kept = {}

    def _put(self, images, labels=None):
        return super()._put(images, self.kept.setdefault(len(images), labels))


@fault("bytes that are put are divided by 128", "L3-labels-product", "movement", "float64")
class PutBytes(ReferenceSubject):
    def _put(self, images, labels=None):
        return super()._put(images / 128 - 1 if images.dtype == np.uint8 else images, labels)


@fault("one update alone becomes a whole step if one of its size was done", "L3-labels-product", "movement", "float64")
class WholeSteps(ReferenceSubject):
    def __init__(self):
        super().__init__()
        self.whole = set()

    def run(self, batches, steps, only=None):
        if only is None:
            self.whole.add(batches.size)
        return super().run(batches, steps, None if batches.size in self.whole else only)


@fault("Adam's counts go on through a load after a step on one image", "L3-labels-product", "counts", "float64")
class CountsGoOn(ReferenceSubject):
    more = 0

    def run(self, batches, steps, only=None):
        found = super().run(batches, steps, only)
        self.more += batches.size == 1
        return found

    def state(self):
        found = super().state()
        return {name: array + self.more if name.endswith("/t") else array for name, array in found.items()}


@fault("each step is a little longer than the one before", "L3-labels-product", "again", "float64")
class LongerSteps(ReferenceSubject):
    factor = 1.0

    def load(self, state):
        self.factor *= 1 + 1e-7
        super().load(
            {name: array * self.factor if name.startswith("weights/") else array for name, array in state.items()}
        )
