"""L2 and L3: hidden state between batches, and adaptive p."""

import numpy as np

from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.registry import fault


class Remembering(ReferenceSubject):
    """Keeps a part of the first batch for each key, and uses it for later batches of the same key."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def _batch(self, update, inputs):
        return self.remember(super()._batch(update, inputs))

    def keep(self, key, value):
        return self.kept.setdefault(key, value)


@fault("labels are constants of a graph", "L2-mixed-crossing", "losses", "float64")
class ConstantLabels(Remembering):
    def remember(self, batch):
        return batch._replace(labels=self.keep(len(batch.images), batch.labels))


@fault("a graph keeps the augmentation of its first batch", "L2-mixed-crossing", "gradients", "float64")
class AugmentedOnce(Remembering):
    def remember(self, batch):
        return batch._replace(augment=self.keep(len(batch.images), batch.augment))


@fault("a mean is over as many images as the first batch had", "L2-mixed-crossing", "losses", "float64")
class FirstCount(ReferenceSubject):
    first = None

    def _differentiate(self, update, inputs):
        self.first = self.first or len(inputs.images)
        loss, gradients = super()._differentiate(update, inputs)
        share = len(inputs.images) / self.first
        return share * loss, {name: share * each for name, each in gradients.items()}


@fault("bytes are divided by 128 in losses and gradients", "L2-mixed-crossing", "losses", "float64")
class OtherBytesInLosses(ReferenceSubject):
    def _batch(self, update, inputs):
        batch = super()._batch(update, inputs)
        return batch._replace(images=inputs.images / 128 - 1) if inputs.images.dtype == np.uint8 else batch


@fault("gradients of a batch accumulate a little of the one before", "L2-mixed-crossing", "again", "float64")
class GradientsAccumulate(ReferenceSubject):
    before = None

    def gradients(self, update, inputs):
        found = super().gradients(update, inputs)
        shown = found
        if self.before and self.before[0] == update:
            shown = {name: each + 1e-3 * self.before[1][name] for name, each in found.items()}
        self.before = update, found
        return shown


@fault("a level keeps the blend that it was first computed at", "L2-blended-crossing", "losses", "float64")
class ConstantBlend(Remembering):
    def remember(self, batch):
        return batch._replace(blend=self.keep(batch.images.shape[1], batch.blend))


@fault("styles are mixed in all batches if they are in the first", "L2-blended-crossing", "gradients", "float64")
class MixedOnce(Remembering):
    def remember(self, batch):
        mix = self.keep(batch.images.shape, batch.mix)
        return batch._replace(mix=mix, cutoff=batch.cutoff or 1)


@fault("noise is a constant of a graph", "L2-blended-crossing", "losses", "float64")
class ConstantNoise(Remembering):
    def remember(self, batch):
        return batch._replace(noise=self.keep(batch.images.shape[1:], [a[:1] for a in batch.noise]))


@fault("losses have the configured p after it has adapted", "L2-adaptive-gradients", "losses")
class ConfiguredP(Reference):
    def p(self, state):
        return self.config.augment.p


@fault("the generator has the configured p after it has adapted", "L2-adaptive-gradients", "gradients")
class ConfiguredForG(Reference):
    def generator(self, weights, batch):
        return super().generator(weights, batch._replace(p=self.config.augment.p))


@fault("looking at losses adapts p", "L2-adaptive-gradients", "still")
class LookingAdapts(ReferenceSubject):
    def losses(self, inputs):
        found = super().losses(inputs)
        self._state["augment_p"] = self._state["augment_p"] + 0.01
        return found


class OtherDirection(Reference):
    """Adapts p in another direction."""

    def p_step(self, weights, p, batch, batch_size):
        separation = np.sign(self.margins(weights, batch)).mean()
        choice = self.config.augment
        return float(np.clip(p + batch_size / choice.images * self.direction(separation - choice.target), 0, 0.8))


@fault("p rises where the target is met exactly", "L3-met-run", "direction")
class RisesAtTarget(OtherDirection):
    def direction(self, excess):
        return 1.0 if excess > -1e-9 else -1.0


@fault("p falls where the target is met exactly", "L3-met-run", "direction")
class FallsAtTarget(OtherDirection):
    def direction(self, excess):
        return 1.0 if excess > 1e-9 else -1.0


@fault("p never falls", "L3-met-run", "direction")
class NeverFalls(OtherDirection):
    def direction(self, excess):
        return float(excess > 1e-9)


# ---- copies that are cached by identity -----------------------------------------------------------------------------


class CachedByIdentity(ReferenceSubject):
    """Keeps a copy of each array, by its address."""

    def __init__(self):
        super().__init__()
        self.copies = {}

    def copy_of(self, array):
        found = self.copies.setdefault((id(array), array.shape), np.array(array))
        return np.array(found)


@fault("images on the device are cached by their address", "L2-mixed-reused", "still", "float64")
class CachedImages(CachedByIdentity):
    def losses(self, inputs):
        return super().losses(inputs._replace(images=self.copy_of(inputs.images)))


@fault("labels on the device are cached by their address", "L2-mixed-reused", "still", "float64")
class CachedLabels(CachedByIdentity):
    def losses(self, inputs):
        return super().losses(inputs._replace(labels=self.copy_of(inputs.labels)))


@fault("images of gradients are cached by their address", "L2-mixed-reused", "still", "float64")
class CachedForGradients(CachedByIdentity):
    def gradients(self, update, inputs):
        return super().gradients(update, inputs._replace(images=self.copy_of(inputs.images)))


@fault("w on the device is cached by its address", "L2-mixed-reused", "still", "float64")
class CachedW(CachedByIdentity):
    def forward(self, inputs):
        return super().forward(inputs._replace(w=self.copy_of(inputs.w)))


@fault("loaded arrays are cached by their address", "L2-mixed-reused", "still", "float64")
class CachedState(CachedByIdentity):
    def load(self, state):
        super().load({name: self.copy_of(array) for name, array in state.items()})


@fault("z on the device is cached by its address", "L2-mixed-reused", "still", "float64")
class CachedZ(CachedByIdentity):
    def losses(self, inputs):
        draws = {update: drawn._replace(z=self.copy_of(drawn.z)) for update, drawn in inputs.draws.items()}
        return super().losses(inputs._replace(draws=draws))


@fault("z of style networks is cached by its address", "L2-style-reused", "still")
class CachedZOfStyles(CachedZ):
    pass
