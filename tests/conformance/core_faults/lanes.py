"""8: precisions, passes and devices."""

import numpy as np

from tests.conformance.core_faults.registry import plant_position, plants, with_adam


@plants("lanes", "the rate of a step in bfloat16 is 1 % too large", "L3-smooth-laws", "law", "bfloat16")
def coarse_rate(replace):
    plant_position(replace, lambda here, step: with_adam(here, learning_rate=1.01 * here.stage.adam.learning_rate))


@plants("lanes", "β2 is 0.989 in bfloat16", "L3-smooth-laws", "law", "bfloat16")
def coarse_beta2(replace):
    plant_position(replace, lambda here, step: with_adam(here, beta2=0.989))


@plants("lanes", "ε is 5 % too large in bfloat16", "L3-smooth-laws", "law", "bfloat16")
def coarse_epsilon(replace):
    plant_position(replace, lambda here, step: with_adam(here, epsilon=1.05 * here.stage.adam.epsilon))


@plants("lanes", "averages have a half-life 2 % too long in bfloat16", "L3-smooth-laws", "law", "bfloat16")
def coarse_halflife(replace):
    def change(here, step):
        return here._replace(stage=here.stage._replace(average_decay=here.stage.average_decay ** (1 / 1.02)))

    plant_position(replace, change)


@plants("lanes", "γ is 15 % too large in bfloat16", "L2-smooth-averaged", "gradients", "bfloat16")
def coarse_gamma(replace):
    from alae_core import updates

    sound = updates.gradient_penalty
    replace(updates, "gradient_penalty", lambda gradient, gamma: sound(gradient, 1.15 * gamma))


@plants("lanes", "the loop in w has a weight of 1.15 in bfloat16", "L2-smooth-averaged", "losses", "bfloat16")
def coarse_loop(replace):
    from alae_core import alae_losses

    sound = alae_losses.squared_distance
    replace(alae_losses, "squared_distance", lambda *arguments, **options: 1.15 * sound(*arguments, **options))


@plants(
    "lanes", "passes have neighbouring images, so that D compares others", "L3-spread-substeps", "losses", "microbatch"
)
def neighbours(replace):
    from alae_core import walk

    def split(batch, passes):
        import keras

        rows = batch.images.shape[0]

        def part(x, k):
            if x is None or not len(x.shape) or x.shape[0] != rows:
                return x
            return keras.ops.copy(keras.ops.reshape(x, (passes, rows // passes, *x.shape[1:]))[k])

        return lambda k: keras.tree.map_structure(lambda x: part(x, k), batch)

    replace(walk, "split", split)


@plants("lanes", "means over passes are divided by one too many", "L3-leaky-run", "trajectory", "microbatch")
def shorter_means(replace):
    from alae_core import walk

    sound = walk._mean

    def mean(mechanics, compute, batch):
        passes = walk.count_passes(batch.images.shape[0], mechanics.microbatch)
        return {name: each * (passes / (passes + 1)) for name, each in sound(mechanics, compute, batch).items()}

    replace(walk, "_mean", mean)


def round_coarsely(x):
    """Round to bfloat16."""
    from keras import ops

    return ops.cast(ops.cast(x, "bfloat16"), x.dtype)


@plants("lanes", "the mean of w has the digits of bfloat16", "L3-spread-laws", "law", "bfloat16")
def coarse_mean(replace):
    from alae_core import walk

    sound = walk.average_step
    replace(walk, "average_step", lambda *arguments: round_coarsely(sound(*arguments)))


@plants("lanes", "p has the digits of bfloat16", "L3-uncommon-laws", "law", "bfloat16")
def coarse_p(replace):
    from alae_core import walk

    sound = walk.adapt_p
    replace(walk, "adapt_p", lambda *arguments: round_coarsely(sound(*arguments)))


@plants("lanes", "passes are added in float32", "L3-unusual-passes", "displacement", "float64")
def coarse_passes(replace):
    from keras import ops

    from alae_core import walk

    sound = walk._mean

    def mean(mechanics, compute, batch):
        def compute_coarsely(part):
            return {name: ops.cast(ops.cast(each, "float32"), "float64") for name, each in compute(part).items()}

        return sound(mechanics, compute_coarsely, batch)

    replace(walk, "_mean", mean)


@plants("lanes", "in float64 the device's noise ends at ±1.5", "L0-style-noise", "noise", "float64")
def clipped_noise(replace):
    from keras import ops

    from alae_core.placement import BatchPlacer

    sound = BatchPlacer._draw_noise_maps
    replace(
        BatchPlacer, "_draw_noise_maps", lambda *arguments: [ops.clip(each, -1.5, 1.5) for each in sound(*arguments)]
    )


@plants("lanes", "conv networks in bfloat16 take steps 2 % too large", "L3-uncommon-laws", "law", "bfloat16")
def coarse_rate_of_conv(replace):
    plant_position(replace, lambda here, step: with_adam(here, learning_rate=1.02 * here.stage.adam.learning_rate))


def plant_coarse_result(replace, module, name):
    """Let a function of a module return its result rounded to bfloat16."""
    sound = getattr(module, name)
    replace(module, name, lambda *arguments, **options: round_coarsely(sound(*arguments, **options)))


@plants("lanes", "distances of codes have the digits of bfloat16", "L1-labels-constant", "law", "bfloat16")
def coarse_distance(replace):
    from alae_core import alae_losses

    plant_coarse_result(replace, alae_losses, "squared_distance")


@plants("lanes", "divergences from the prior have the digits of bfloat16", "L1-vae-constant", "law", "bfloat16")
def coarse_divergence(replace):
    from alae_core import baselines

    plant_coarse_result(replace, baselines, "divergence_from_prior")


@plants("lanes", "distances of images have the digits of bfloat16", "L1-conv-constant", "law", "bfloat16")
def coarse_pixels(replace):
    from alae_core import updates

    plant_coarse_result(replace, updates, "squared_distance")


@plants(
    "lanes", "the generator's loss of pairs has the digits of bfloat16", "L1-relativistic-constant", "law", "bfloat16"
)
def coarse_pairs(replace):
    from alae_core import alae_losses

    plant_coarse_result(replace, alae_losses, "generator_loss")


def plant_float32(replace, name):
    """Let a method that makes tensors of arrays round them to float32."""
    from alae_core.placement import BatchPlacer

    sound = getattr(BatchPlacer, name)

    def rounded(self, array):
        if array is not None and array.dtype.kind == "f":
            array = array.astype(np.float32).astype(array.dtype)
        return sound(self, array)

    replace(BatchPlacer, name, rounded)


@plants("lanes", "images and z are rounded to float32 in float64", "L2-labels-digits", "losses", "float64")
def rounded_images(replace):
    plant_float32(replace, "_rows_to_tensor")


@plants(
    "lanes",
    "random numbers that are given are rounded to float32 in float64",
    "L2-conditional-digits",
    "gradients",
    "float64",
)
def rounded_draws(replace):
    plant_float32(replace, "_own_rows_to_tensor")


@plants("lanes", "in passes, noise that is drawn belongs to the next step", "L3-style-drawn", "drawn", "microbatch")
def later_noise(replace):
    from alae_core.placement import BatchPlacer

    sound = BatchPlacer._place_draws

    def place(self, batch, update, draws, step):
        later = draws.noise is None and self.microbatch is not None
        return sound(self, batch, update, draws, step + later)

    replace(BatchPlacer, "_place_draws", place)


@plants(
    "lanes", "biases of convolutions are added with the digits of bfloat16", "L1-style-coarse", "digits", "bfloat16"
)
def coarse_biases(replace):
    from alae_core.networks.features import Conv

    sound = Conv.call
    replace(Conv, "call", lambda self, x: round_coarsely(sound(self, x)))


@plants("lanes", "what a layer of E adds to a code has the digits of bfloat16", "L1-style-coarse", "digits", "bfloat16")
def coarse_codes(replace):
    from alae_core.networks.style_encoder import _EncoderBlock

    def map_to_w(self, statistics):
        first, second = statistics
        return round_coarsely(self.described1.style(first)) + round_coarsely(self.described2.style(second))

    replace(_EncoderBlock, "map_to_w", map_to_w)
