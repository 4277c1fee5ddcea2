"""10: what lingers from an earlier call."""

import numpy as np

from tests.conformance.core_faults.registry import plants


@plants(
    "hidden state",
    "labels of a batch are those of the first with as many images",
    "L2-mixed-product",
    "gradients",
    "float64",
)
def constant_labels(replace):
    from alae_core import placement

    sound, kept = placement.one_hot, {}
    replace(
        placement, "one_hot", lambda config, labels, count: kept.setdefault(count, list(sound(config, labels, count)))
    )


@plants("hidden state", "images are copied to the device once for each array", "L2-mixed-product", "again", "float64")
def images_by_identity(replace):
    from alae_core import placement

    sound, kept = placement.require_images, {}

    def require(images):
        # The array is kept too, so that no other gets its address.
        return kept.setdefault(id(images), (images, np.array(sound(images))))[1]

    replace(placement, "require_images", require)


def plant_augmentation(replace, key_of):
    """Let an update's augmentation be that of the first batch with this key."""
    from alae_core.placement import BatchPlacer

    sound, kept = BatchPlacer._place_draws, {}

    def place(self, batch, update, draws, step):
        placed = sound(self, batch, update, draws, step)
        # The images are kept too, so that no others get their address.
        _, augment = kept.setdefault((update, key_of(batch.images)), (batch.images, placed.augment))
        return placed._replace(augment=augment)

    replace(BatchPlacer, "_place_draws", place)


@plants(
    "hidden state",
    "augmentation is that of the first batch with as many images",
    "L2-mixed-product",
    "gradients",
    "float64",
)
def constant_augmentation(replace):
    plant_augmentation(replace, len)


@plants("hidden state", "bytes are divided by 128 after a batch of floats", "L2-mixed-product", "gradients", "float64")
def other_bytes(replace):
    from keras import ops

    from alae_core.placement import BatchPlacer

    def from_bytes(self, images):
        return ops.cast(self.rows_to_device(images), self.config.dtype) / 128 - 1

    replace(BatchPlacer, "_from_bytes", from_bytes)


@plants(
    "hidden state",
    "a level has the blend that it was first computed at",
    "L2-conditional-product",
    "gradients",
    "float64",
)
def constant_blend(replace):
    from alae_core.placement import BatchPlacer

    sound, kept = BatchPlacer._make_batches, {}

    def make(self, batch, draws, here, step):
        blend = kept.setdefault(batch.images.shape[1], here.blend)
        return sound(self, batch, draws, here._replace(blend=blend), step)

    replace(BatchPlacer, "_make_batches", make)


@plants(
    "hidden state", "the device's noise is the noise that was given last", "L2-conditional-product", "drawn", "float64"
)
def last_noise(replace):
    from alae_core.placement import BatchPlacer

    sound, last = BatchPlacer._place_draws, {}

    def place(self, batch, update, draws, step):
        key = update, tuple(batch.images.shape)
        if draws.noise is not None:
            last[key] = draws.noise
        return sound(self, batch, update, draws._replace(noise=draws.noise or last.get(key)), step)

    replace(BatchPlacer, "_place_draws", place)


@plants(
    "hidden state",
    "a step has the labels of the first batch with as many images",
    "L3-labels-product",
    "losses",
    "float64",
)
def constant_labels_of_steps(replace):
    constant_labels(replace)


@plants(
    "hidden state",
    "a step with one update is done with all of them if they were compiled before",
    "L3-labels-product",
    "movement",
    "float64",
)
def all_updates(replace):
    from alae_core.runner import BaseRunner

    sound, compiled = BaseRunner.step, set()

    def step(self, images, *, only=None, **options):
        count = len(images) if isinstance(images, np.ndarray) else len(images.images)
        if only is None:
            compiled.add(count)
        return sound(self, images, only=None if count in compiled else only, **options)

    replace(BaseRunner, "step", step)


@plants(
    "hidden state", "looking has the weights of the first look until a state is loaded", "L3-leaky-legs", "in_place"
)
def stale_looks(replace):
    from types import SimpleNamespace

    from keras import ops

    from alae_core.model import Alae
    from alae_core.runner import BaseRunner

    run, load, kept = Alae._run, BaseRunner.load, {}

    def run_stale(self, *arguments, **options):
        if self not in kept:
            arrays = self.weights()
            kept[self] = {name: SimpleNamespace(value=ops.convert_to_tensor(each)) for name, each in arrays.items()}
        own, self.variables = self.variables, kept[self]
        try:
            return run(self, *arguments, **options)
        finally:
            self.variables = own

    def load_anew(self, state):
        load(self, state)
        kept.pop(self.model, None)

    replace(Alae, "_run", run_stale)
    replace(BaseRunner, "load", load_anew)


@plants("hidden state", "truncate keeps the first mean of w", "L3-style-legs", "in_place")
def first_mean(replace):
    from alae_core import model

    sound, kept = model._copy, {}

    def copy(variable):
        return kept.setdefault(id(variable), sound(variable)) if variable.name == "w_mean" else sound(variable)

    replace(model, "_copy", copy)


@plants(
    "hidden state", "a batch keeps the augmentation of its first step", "L3-uncommon-twice", "trajectory", "float64"
)
def first_augmentation(replace):
    plant_augmentation(replace, id)


@plants("hidden state", "map returns what it returned for the same array before", "L1-labels-own", "still")
def mapped_by_identity(replace):
    from alae_core.model import Alae

    sound, kept = Alae.map, {}

    def map_(self, z, *, labels=None):
        # The array is kept too, so that no other gets its address.
        return np.array(kept.setdefault(id(z), (z, sound(self, z, labels=labels)))[1])

    replace(Alae, "map", map_)


@plants(
    "hidden state", "all runs of a process have the p of the last step", "L3-adaptive-turns", "augment_p", "float64"
)
def common_p(replace):
    from alae_core.runner import BaseRunner

    sound, last = BaseRunner.step, {}

    def step(self, images, **options):
        if "p" in last:
            self.write(self.tensors, {"augment_p": last["p"]})
        losses = sound(self, images, **options)
        # A copy, because some frameworks write into it.
        last["p"] = self.tensors["augment_p"] + 0
        return losses

    replace(BaseRunner, "step", step)
