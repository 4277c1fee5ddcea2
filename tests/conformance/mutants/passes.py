"""L3 in the lane microbatch: faults of updates that are computed in several passes."""

import numpy as np

from alae_conformance.reference.training import Reference
from tests.conformance.mutants.registry import fault


@fault("the gradients of passes are added, not averaged", "L3-spread-substeps", "moments", "microbatch")
class SummedPasses(Reference):
    def average_passes(self, update, weights, batch):
        loss, gradients = super().average_passes(update, weights, batch)
        return loss, {name: each * len(self.passes(batch)) for name, each in gradients.items()}


@fault("the losses of passes are added, not averaged", "L3-labels-fed", "trajectory", "microbatch")
class SummedLosses(Reference):
    def average_passes(self, update, weights, batch):
        loss, gradients = super().average_passes(update, weights, batch)
        return loss * len(self.passes(batch)), gradients


@fault("the last pass is omitted", "L3-leaky-run", "displacement", "microbatch")
class LastPassOmitted(Reference):
    def passes(self, batch):
        parts = super().passes(batch)
        return parts[:-1] or parts


@fault("the mean of w is that of the first pass", "L3-style-growth", "w_mean", "microbatch")
class MeanOfTheFirstPass(Reference):
    def mean_step(self, weights, mean, z, labels):
        return super().mean_step(weights, mean, self.divide(z)[0], labels)


@fault("p adapts to the first pass", "L3-adaptive-run", "augment_p", "microbatch")
class PFromTheFirstPass(Reference):
    def p_step(self, weights, p, batch, batch_size):
        return super().p_step(weights, p, self.passes(batch)[0], batch_size)


@fault("every pass has the noise of the first", "L3-style-growth", "trajectory", "microbatch")
class NoiseOfTheFirstPass(Reference):
    def passes(self, batch):
        parts = super().passes(batch)
        return [part._replace(noise=parts[0].noise) for part in parts]


@fault("every pass has the labels of the first", "L3-labels-fed", "trajectory", "microbatch")
class LabelsOfTheFirstPass(Reference):
    def passes(self, batch):
        parts = super().passes(batch)
        return [part._replace(labels=parts[0].labels) for part in parts]


@fault("Adam takes a step after each pass", "L3-leaky-run", "counts", "microbatch")
class AdamInEachPass(Reference):
    def apply(self, state, update, gradients):
        for _ in range(self.config.batch_size // (self.microbatch or self.config.batch_size)):
            super().apply(state, update, gradients)


@fault("D compares the images of each half of the batch", "L3-spread-substeps", "losses", "microbatch")
class SpreadOfHalves(Reference):
    def divide(self, rows):
        return np.split(rows, len(super().divide(rows)))
