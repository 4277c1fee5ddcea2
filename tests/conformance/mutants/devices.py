"""L3 in the lane devices: faults of a step on two devices. `faulty_backends` has those of PyTorch's two processes."""

from dataclasses import replace

import numpy as np

from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.beyond import OwnDraws
from tests.conformance.mutants.registry import fault


@fault("the mean of w is that of the first device", "L3-blended-growth", "w_mean", "devices")
class MeanOfTheFirstDevice(Reference):
    def mean_step(self, weights, mean, z, labels):
        return super().mean_step(weights, mean, z[: len(z) // 2], labels)


@fault("every device draws the noise of the first", "L3-blended-drawn", "drawn", "devices")
class NoiseOfTheFirstDevice(OwnDraws):
    def changed(self, drawn, step):
        # The first map is for every image.
        first, *others = drawn.noise
        return drawn._replace(noise=[first, *(np.concatenate([each[: len(each) // 2]] * 2) for each in others)])


@fault("every device takes the first labels of a whole batch", "L3-labels-fed", "trajectory", "devices")
class LabelsOfTheFirstDevice(ReferenceSubject):
    def run(self, batches, steps, only=None):
        first = batches.labels[:, : batches.labels.shape[1] // 2]
        return super().run(replace(batches, labels=np.concatenate([first, first], 1)), steps, only)


@fault("devices that generate images share the noise of the first", "L1-style-coarse", "forward", "devices")
class ShownNoiseOfTheFirstDevice(ReferenceSubject):
    def forward(self, inputs):
        def shared(drawn):
            first, *others = drawn.noise
            return drawn._replace(
                noise=[first, *(np.resize(each[: -(-len(each) // 2)], each.shape) for each in others)]
            )

        return super().forward(inputs._replace(draws={name: shared(drawn) for name, drawn in inputs.draws.items()}))
