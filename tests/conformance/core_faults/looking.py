"""1: methods of a model."""

import numpy as np

from tests.conformance.core_faults.registry import plants


def plant_classes(replace, change):
    """Let the one-hot rows of a model and of batches be those of `change(config, labels)`."""
    from alae_core import model, placement

    for module in (model, placement):

        def one_hot(config, labels, count, sound=module.one_hot):
            return sound(config, labels if labels is None else change(config, np.asarray(labels)), count)

        replace(module, "one_hot", one_hot)


@plants("looking", "hidden returns E's first hidden layer, not its widest", "L1-unusual-looking", "looking")
def first_hidden(replace):
    import keras

    from alae_core.networks.mlp import Perceptrons

    def hidden(self, images, *, labels=None, lod=None, blend=1.0):
        inside = keras.Model(self.E.inputs, self.E.get_layer("leaky0").output)
        return inside(images if labels is None else [images, labels])

    replace(Perceptrons, "hidden", hidden)


@plants(
    "looking",
    "at a coarser level, the last of the styles are used",
    "L1-conditional-looking",
    "looking",
    "float64",
)
def last_styles(replace):
    from alae_core import model

    sound = model.as_styles

    def as_styles(config, w, view):
        styles = sound(config, w, view)
        return styles[:, -2 * (view.lod + 1) :] if view is not None and styles.ndim == 3 else styles

    replace(model, "as_styles", as_styles)


@plants("looking", "batches of images of 64 by 128 pixels are a quarter as large", "L1-leaky-sizes", "exact")
def smaller_batches(replace):
    from alae_core import model

    replace(model, "_CHUNK_PIXELS", 2**20)


@plants("looking", "chunks end with an empty slice after a multiple of the batch", "L1-labels-looking", "exact")
def empty_chunks(replace):
    from alae_core import model

    sound = model.split

    def split(count, size):
        yield from sound(count, size)
        if count and count % size == 0:
            yield slice(count, count)

    replace(model, "split", split)


@plants("looking", "set_weights ignores unknown names", "L1-labels-looking", "exact")
def unknown_weights(replace):
    from alae_core import model

    sound = model.require_same_arrays
    replace(
        model,
        "require_same_arrays",
        lambda shapes, arrays: sound(shapes, {name: array for name, array in arrays.items() if name in shapes}),
    )


@plants("looking", "the class −1 is the last one", "L1-labels-looking", "exact")
def wrapped_classes(replace):
    plant_classes(replace, lambda config, labels: labels % config.labels)


@plants("looking", "more images than a batch are padded where D compares them", "L1-spread-lengths", "looking")
def padded_for_d(replace):
    from alae_core.model import Alae

    sound = Alae._run

    def run(self, method, rows, view=None, *, pad=True, **options):
        if not pad and len(rows) > self.batch_size(view):
            self._functions.clear()
            pad = True
        return sound(self, method, rows, view, pad=pad, **options)

    replace(Alae, "_run", run)


@plants("looking", "training moves the model's default view", "L3-style-legs", "in_place")
def moving_view(replace):
    from alae_core.growth import position
    from alae_core.runner import BaseRunner

    sound = BaseRunner.step

    def step(self, images, **options):
        view = position(self.config, self.step_number).view
        losses = sound(self, images, **options)
        self.model.view = view
        return losses

    replace(BaseRunner, "step", step)
