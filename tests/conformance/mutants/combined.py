"""L2: faults that only some combinations of choices have, caught by rows of the covering array."""

import numpy as np

from alae_conformance.covering import rows
from alae_conformance.reference.layers import Leaky, PixelNorm
from alae_conformance.reference.training import Reference
from tests.conformance.mutants.crossed import with_updates
from tests.conformance.mutants.joint import with_layers_of, without
from tests.conformance.mutants.registry import fault


def combination(description, check="gradients", **choices):
    """Register a fault for the first row with these choices; dots of keys are written as double underscores."""
    wanted = {name.replace("__", "."): value for name, value in choices.items()}
    row = next(
        row
        for row in rows().values()
        if row.choices["precision"] != "bfloat16" and all(row.choices.get(name) == wanted[name] for name in wanted)
    )
    return fault(description, f"L2-array-{row.id[5:]}", check, row.choices["precision"])


@combination("the hinge objective has no R2", "losses", objective="hinge", r2_gamma=4.0)
class HingeWithoutR2(Reference):
    def penalise(self, weights, images, batch, gamma):
        lost = self.config.objective == "hinge" and images is not batch.images and gamma == self.config.r2_gamma
        return super().penalise(weights, images, batch, 0.0 if lost else gamma)


@combination(
    "real images of the relativistic generator are not augmented", "losses", objective="relativistic", augment="fixed"
)
class RelativisticUnaugmented(Reference):
    def generator(self, weights, batch):
        self.bare = self.config.objective == "relativistic"
        found = super().generator(weights, batch)
        self.bare = False
        return found

    def augment(self, images, batch):
        bare = getattr(self, "bare", False) and images is batch.images
        return images if bare else super().augment(images, batch)


@combination(
    "where E estimates z, the loop of adversarial updates makes z 10 % larger",
    "losses",
    reciprocity="z",
    updates__reciprocity="adversarial",
)
class LoopOfLargerZ(Reference):
    def loop(self, weights, batch):
        larger = self.config.reciprocity == "z" and self.closes_in_adversarial_updates()
        return super().loop(weights, batch._replace(z=1.1 * batch.z) if larger else batch)


@combination("E does not get the labels where G has tanh", labels=3, networks__output="tanh")
class LabelsLostWithTanh(Reference):
    def encode(self, weights, images, batch, direction=None, by="E"):
        lost = batch.labels is not None and self.config.networks.output == "tanh"
        given = batch._replace(labels=0 * batch.labels) if lost else batch
        return super().encode(weights, images, given, direction, by)


@combination("images with one channel are augmented with a fixed p", "losses", channels=1, augment="adaptive")
class OneChannelUnaugmented(Reference):
    def augmentation(self, shape, batch):
        return super().augmentation(shape, batch._replace(p=0.05) if shape[-1] == 1 else batch)


@combination(
    "a target that is followed gives F no gradient where Adams are shared",
    updates__target="followed",
    updates__adam="shared",
    updates__trains_F=True,
    reciprocity="latent",
)
class UnfollowedWhereShared(Reference):
    def loop(self, weights, batch):
        distance, found = super().loop(weights, batch)
        shared = self.config.updates.adam == "shared"
        return distance, {name: 0 * each if shared and name[0] == "F" else each for name, each in found.items()}


@combination("without R1, styles are not mixed", "losses", r1_gamma=0.0, networks__style_mixing=0.9)
class UnmixedWithoutR1(Reference):
    def keeps(self, batch):
        keeps = super().keeps(batch)
        return np.ones_like(keeps) if not self.config.r1_gamma else keeps


@combination(
    "the target of the loop in w is constant where it is a term of the generator's loss and trains F",
    reciprocity="latent",
    updates__target="followed",
    updates__trains_F=True,
    updates__reciprocity="adversarial",
)
class HeldTargetOfTheLoop(with_updates(target="constant")):
    pass


@combination(
    "a D on images and E are trained together wherever reciprocity is joint, also by a loss without E",
    networks__discriminator="images",
    reciprocity="data",
    updates__reciprocity="adversarial",
)
class TrainedByNothing(Reference):
    def differentiate(self, update, weights, batch):
        loss, gradients = super().differentiate(update, weights, batch)
        if update == "discriminator":
            gradients |= {name: 0 * each for name, each in weights.items() if name.startswith("E/")}
        return loss, gradients


@combination("D has no activation after its last layer", "forward", networks__activate_output=True)
class LinearLogits(Reference):
    def __init__(self, config):
        super().__init__(config)
        *self.networks["D"].layers, last = self.networks["D"].layers
        assert isinstance(last, Leaky)


@combination("E does not normalize images beside labels", "forward", networks__pixel_norm=True, labels=3)
class UnnormalizedBesideLabels(with_layers_of("E", without(PixelNorm))):
    pass


@fault("initial kernels have no gain for an activation after the last layer", "L2-array-ca", "exact", "bfloat16")
class NoLastGain(Reference):
    def initial_weight(self, name, shape):
        last = f"F/dense{len(self.config.networks.F.hidden)}/kernel"
        return super().initial_weight(name, shape) * np.sqrt(1.04 / 2 if name == last else 1)


@fault("the finest resolution has no residual block", "L2-array-ca", "gradients", "bfloat16")
class NoFinestResidual(Reference):
    def differentiate(self, update, weights, batch):
        loss, gradients = super().differentiate(update, weights, batch)
        finest = f"G/residual{len(self.config.networks.widths) - 1}/"
        return loss, {name: each for name, each in gradients.items() if not name.startswith(finest)}
