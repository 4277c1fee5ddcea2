"""2: numbers far from those of most cases."""

import numpy as np

from tests.conformance.core_faults.looking import plant_classes
from tests.conformance.core_faults.registry import plant_with_config, plants


def plant_stream(replace, change):
    """Let draws and noise come from the stream that `change(seed, purpose, position)` names."""
    from alae_core import draws, placement, streams

    sound = streams.stream
    for module in (streams, draws, placement):
        replace(module, "stream", lambda seed, purpose, position=0: sound(*change(seed, purpose, position)))


@plants("ranges", "random numbers repeat after 2^32 steps", "L0-leaky-far", "draws")
def short_steps(replace):
    plant_stream(replace, lambda seed, purpose, position: (seed, purpose, position % 2**32))


@plants("ranges", "random numbers take a seed cut to 62 bits", "L0-leaky-far", "draws")
def short_seeds(replace):
    plant_stream(replace, lambda seed, purpose, position: (seed % 2**62, purpose, position))


@plants("ranges", "noise repeats after 2^20 steps", "L0-style-fields", "distinct")
def short_noise(replace):
    def change(seed, purpose, position):
        return seed, purpose, position % 2**20 + 100 if purpose.startswith("noise/") and position >= 2**20 else position

    plant_stream(replace, change)


@plants("ranges", "the noise of more than 100 images has half the variance", "L0-style-fields", "noise")
def faint_for_many(replace):
    from alae_core.placement import BatchPlacer

    sound = BatchPlacer._draw_noise_maps

    def draw(self, update, step, lod, count):
        maps = sound(self, update, step, lod, count)
        return [each * 0.5**0.5 for each in maps] if count > 100 else maps

    replace(BatchPlacer, "_draw_noise_maps", draw)


@plants(
    "ranges",
    "losses and gradients are sums over images, divided by the configuration's batch",
    "L3-labels-sizes",
    "losses",
)
def other_batch(replace):
    from alae_core import walk

    sound = walk._mean

    def mean(mechanics, compute, batch):
        share = batch.images.shape[0] / mechanics.config.batch_size
        return {name: each * share for name, each in sound(mechanics, compute, batch).items()}

    replace(walk, "_mean", mean)


class ExchangingOps:
    """`keras.ops` that makes images, or maps, column by column if `exchanges(height, width)`."""

    def __init__(self, exchanges):
        self.exchanges = exchanges

    def __getattr__(self, name):
        from keras import ops

        return getattr(ops, name)

    def reshape(self, x, shape):
        from keras import ops

        if len(shape) != 4 or not self.exchanges(*shape[1:3]):
            return ops.reshape(x, shape)
        return ops.transpose(ops.reshape(x, (-1, shape[2], shape[1], shape[3])), (0, 2, 1, 3))


@plants("ranges", "perceptrons write images wider than 120 pixels column by column", "L1-leaky-sides", "looking")
def turned_images(replace):
    from alae_core.networks import mlp

    replace(mlp, "ops", ExchangingOps(lambda height, width: width > 120))


@plants("ranges", "conv networks write coarsest maps of 7 by 5 column by column", "L1-conv-sides", "looking")
def turned_maps(replace):
    from alae_core.networks import conv

    replace(conv, "ops", ExchangingOps(lambda height, width: (height, width) == (7, 5)))


@plants("ranges", "class numbers are read as signed bytes", "L1-unusual-looking", "looking")
def classes_as_bytes(replace):
    plant_classes(replace, lambda config, labels: labels.astype(np.int8).astype(int) % config.labels)


@plants("ranges", "class numbers that are not int64 count as class 0", "L3-labels-fed", "trajectory")
def short_classes(replace):
    plant_classes(replace, lambda config, labels: labels if labels.dtype == np.int64 else 0 * labels)


@plants("ranges", "images are read in the order of memory", "L3-labels-fed", "trajectory")
def order_of_memory(replace):
    from alae_core import placement

    sound = placement.require_images

    def require_images(images):
        images = sound(images)
        return images if images.flags.c_contiguous else images.T.reshape(images.shape)

    replace(placement, "require_images", require_images)


@plants("ranges", "a level with a fade of 0 never fades in", "L3-scheduled-growth", "trajectory", "float64")
def never_fading(replace):
    def change(config, here):
        return here._replace(blend=0.0) if config.growth.levels[here.stage.lod].fade == 0 else here

    plant_with_config(replace, change)


@plants("ranges", "growth.from_level is ignored", "L3-scheduled-growth", "trajectory", "float64")
def from_the_first(replace):
    from alae_core import growth

    sound = growth._levels_of

    def levels_of(config):
        started = config.growth and config.growth.model_copy(update={"from_level": 0})
        return sound(config.model_copy(update={"growth": started}))

    replace(growth, "_levels_of", levels_of)


@plants(
    "ranges",
    "a run that was resumed with other batches counts its images from the first step",
    "L3-uncommon-run",
    "trajectory",
    "float64",
)
def counted_again(replace):
    from alae_core import growth

    sound = growth.count_shown
    replace(growth, "count_shown", lambda config, step: sound(config.model_copy(update={"resumed": None}), step))


@plants(
    "ranges",
    "residual blocks count half beyond the coarsest resolution",
    "L1-uncommon-values",
    "forward",
    "float64",
)
def first_residual(replace):
    from alae_core.networks.conv import _Network

    sound = _Network._refine

    def refine(self, x, i):
        # Halved, not left out, because PyTorch refuses weights that a loss does not depend on.
        residual = self.residuals[i] if i else None
        return sound(self, x, i) if residual is None else self.leaky(x + residual(self.leaky(x)) / 2)

    replace(_Network, "_refine", refine)


@plants("ranges", "images are reflected once beyond their edges", "L2-unusual-gradients", "gradients", "float64")
def reflected_once(replace):
    from keras import ops

    from alae_core import augment

    def reflect(at, size):
        return ops.clip(size - ops.abs(ops.abs(at + 0.5) - size) - 0.5, 0.0, size - 1.0)

    replace(augment, "_reflect", reflect)


@plants("ranges", "class numbers have eight bits", "L1-particular-looking", "looking")
def classes_of_eight_bits(replace):
    plant_classes(replace, lambda config, labels: labels % 256)


@plants("ranges", "augmentation counts the pixels of a batch with 16 bits", "L1-augmented-copies", "losses")
def pixels_of_sixteen_bits(replace):
    from keras import ops

    from alae_core import augment

    sound = augment._interpolate

    def interpolate(pixels, *arguments):
        flat = ops.reshape(pixels, (-1, pixels.shape[-1]))
        if flat.shape[0] > 2**16:
            flat = ops.concatenate([flat[: 2**16], flat[: flat.shape[0] - 2**16]])
        return sound(ops.reshape(flat, pixels.shape), *arguments)

    replace(augment, "_interpolate", interpolate)


@plants("ranges", "steps of a schedule are rounded to float32", "L0-style-levels", "shapes")
def rounded_steps(replace):
    from alae_core import growth

    sound = growth.count_shown
    replace(growth, "count_shown", lambda config, step: sound(config, int(np.float32(step))))


@plants("ranges", "the noise of a step has a key of 17 bits", "L0-style-fields", "distinct")
def short_keys(replace):
    from alae_core.placement import BatchPlacer

    for cls in _drawing_classes(BatchPlacer):
        sound = vars(cls)["draw_noise"]
        replace(cls, "draw_noise", lambda self, count, key, sound=sound: sound(self, count, key % 2**17))


def _drawing_classes(base):
    """Return the base class, and this process's runner if it draws noise in its own way."""
    import keras

    from alae_core import load_backend

    engine = vars(load_backend(keras.backend.backend())._engine()).values()
    return [base, *(cls for cls in engine if isinstance(cls, type) and "draw_noise" in vars(cls))]


@plants("ranges", "passes after the eighth have the images of the eighth", "L3-leaky-passes", "displacement", "float64")
def eight_passes(replace):
    from keras import ops

    from alae_core import walk

    sound = walk.split

    def split(batch, passes):
        part = sound(batch, passes)
        return part if passes <= 8 else lambda k: part(ops.minimum(k, 7))

    replace(walk, "split", split)


@plants("ranges", "images of a batch beyond −1 … 1 are clipped", "L2-adaptive-gradients", "losses")
def clipped_batches(replace):
    from alae_core import placement

    sound = placement.require_images

    def require(images):
        found = sound(images)
        return found if found.dtype == np.uint8 else np.clip(found, -1, 1)

    replace(placement, "require_images", require)


@plants("ranges", "from the fifth level on, styles are mixed as at the fourth", "L0-style-levels", "draws")
def few_layers(replace):
    from alae_core import draws

    sound = draws.mixing_cutoff
    replace(draws, "mixing_cutoff", lambda probability, lod, **where: sound(probability, min(lod, 3), **where))


@plants("ranges", "augmentation repeats after 2^32 steps", "L0-adaptive-contract", "draws")
def short_augmentation(replace):
    def change(seed, purpose, position):
        return seed, purpose, position % 2**32 if purpose.startswith("augment/") else position

    plant_stream(replace, change)


def repeat_rows(array):
    """Return an array whose rows after the first thousand are those again."""
    return np.resize(array[:1000], array.shape)


@plants("ranges", "a step's z repeat after a thousand images", "L0-leaky-far", "draws")
def repeated_z(replace):
    from alae_core import draws

    sound = draws.sample_prior
    replace(draws, "sample_prior", lambda *own, **options: repeat_rows(sound(*own, **options)))


@plants("ranges", "the z that a model samples repeat after a thousand", "L1-labels-lengths", "exact")
def repeated_samples(replace):
    from alae_core import model

    replace(model, "sample_prior", lambda *own, sound=model.sample_prior, **more: repeat_rows(sound(*own, **more)))
