"""1: methods of a model."""

import numpy as np

from alae_core.view import View
from tests.conformance.core_faults.registry import plants, with_constant


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


@plants("looking", "the map of a model whose F is the identity returns z itself", "L1-vae-own", "still")
def borrowed_z(replace):
    from alae_core.model import Alae

    sound = Alae.map

    def map_(self, z, *, labels=None):
        found = sound(self, z, labels=labels)
        return z if np.array_equal(found, z) else found

    replace(Alae, "map", map_)


@plants("looking", "codes of as many images as before overwrite those", "L1-labels-own", "still")
def reused_codes(replace):
    from alae_core.model import Alae

    sound, kept = Alae.encode, {}

    def encode(self, x, view=None, *, labels=None):
        found = sound(self, x, view, labels=labels)
        buffer = kept.setdefault(found.shape, np.empty_like(found))
        buffer[...] = found
        return buffer

    replace(Alae, "encode", encode)


@plants("looking", "truncation by 1 returns a model's styles themselves", "L1-spread-own", "still")
def borrowed_styles(replace):
    from alae_core import model

    sound = model.truncate

    def truncate(w, mean, psi, truncated, layers):
        return w if psi == 1 and w.ndim == 3 else sound(w, mean, psi, truncated, layers)

    replace(model, "truncate", truncate)


@plants("looking", "of equally wide layers of E, hidden returns the last", "L1-particular-looking", "looking")
def last_of_equals(replace):
    import keras

    from alae_core.networks.mlp import Perceptrons

    def hidden(self, images, *, labels=None, lod=None, blend=1.0):
        widths = self.config.networks.E.hidden
        last = max(number for number, width in enumerate(widths) if width == max(widths))
        inside = keras.Model(self.E.inputs, self.E.get_layer(f"leaky{last}").output)
        return inside(images if labels is None else [images, labels])

    replace(Perceptrons, "hidden", hidden)


@plants("looking", "before a level fades in, images are shown unfaded", "L1-conditional-looking", "looking", "float64")
def unfaded_at_first(replace):
    from alae_core.model import Alae

    sound = Alae.as_seen

    def as_seen(self, images, view=None):
        return sound(self, images, View(view.lod) if view is not None and view.blend == 0 else view)

    replace(Alae, "as_seen", as_seen)


@plants("looking", "w_of ignores how far a level has faded in", "L1-conditional-looking", "looking", "float64")
def unfaded_codes(replace):
    from alae_core.model import Alae

    sound = Alae.w_of

    def w_of(self, x, view=None, *, labels=None):
        return sound(self, x, view and View(view.lod), labels=labels)

    replace(Alae, "w_of", w_of)


@plants("looking", "dark images may be floats of 0 … 127", "L1-labels-looking", "exact")
def dark_floats(replace):
    from alae_core import inputs

    replace(inputs, "require_images", with_constant(inputs.require_images, 1.5, 127.5))


@plants("looking", "the first map of noise is that of the first image", "L1-spread-looking", "looking")
def first_image_noise(replace):
    from alae_core import inputs

    sound = inputs._as_maps

    def as_maps(config, noise, view, count):
        first, *others = sound(config, noise, view, count)
        return [first[:1], *others]

    replace(inputs, "_as_maps", as_maps)


@plants("looking", "images beyond −1 … 1 are clipped", "L1-labels-looking", "looking")
def clipped_images(replace):
    from alae_core import model

    sound = model.as_images
    replace(model, "as_images", lambda config, images, shape: np.clip(sound(config, images, shape), -1, 1))


@plants("looking", "styles beyond ±100 are clipped", "L1-spread-looking", "looking")
def clipped_styles(replace):
    from alae_core import model

    sound = model.as_styles
    replace(model, "as_styles", lambda config, w, view: np.clip(sound(config, w, view), -100, 100))


@plants("looking", "as_seen ignores a model's own view", "L1-looked-checkpoint", "looking")
def seen_at_the_finest(replace):
    from alae_core.model import Alae

    sound = Alae.as_seen
    replace(Alae, "as_seen", lambda self, images, view=None: sound(self, images, view or View(self.view.lod)))


@plants("looking", "load always returns the averaged networks", "L1-labels-checkpoint", "looking")
def always_averaged(replace):
    from alae_core import checkpoint

    sound = checkpoint.load
    replace(checkpoint, "load", lambda path, averaged=True, **options: sound(path, **options))


@plants("looking", "a run that starts from a model has a mean of w of zero", "L1-looked-checkpoint", "exact")
def forgotten_mean(replace):
    from alae_core import runner

    sound = runner.initial_state

    def initial_state(config, updates, weights, mean):
        return sound(config, updates, weights, None if mean is None else 0 * mean)

    replace(runner, "initial_state", initial_state)


@plants(
    "looking",
    "a level that is first seen before it fades in is shown whole",
    "L1-conditional-looking",
    "looking",
    "float64",
)
def whole_at_first(replace):
    from alae_core.model import Alae

    sound, seen = Alae._run, set()

    def run(self, method, rows, view=None, **options):
        if view is not None and view.blend < 1 and (method, view.lod) not in seen:
            seen.add((method, view.lod))
            view = View(view.lod) if view.blend == 0 else view
        return sound(self, method, rows, view, **options)

    replace(Alae, "_run", run)
