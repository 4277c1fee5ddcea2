"""7: numbers that are rare in training."""

from dataclasses import replace as changed

import numpy as np

from tests.conformance.core_faults.registry import plants


def hide(x):
    """Replace numbers that are not finite by zero."""
    from keras import ops

    return ops.where(ops.isfinite(x), x, ops.zeros_like(x))


@plants("rare numbers", "convolutions take NaN and infinity for zero", "L1-conv-nonfinite", "finite")
def finite_convolutions(replace):
    from alae_core.networks.features import Conv

    sound = Conv.call
    replace(Conv, "call", lambda self, x: sound(self, hide(x)))


@plants("rare numbers", "instance norm takes NaN for zero", "L1-blended-nonfinite", "finite", "float64")
def finite_norms(replace):
    from alae_core.networks import style_encoder, style_generator

    sound = style_encoder.instance_norm
    for module in (style_encoder, style_generator):
        replace(module, "instance_norm", lambda maps, epsilon: sound(hide(maps), epsilon))


@plants("rare numbers", "the hinge of NaN is zero", "L1-hinge-nonfinite", "finite")
def finite_hinge(replace):
    from keras import ops

    from alae_core import losses

    replace(losses, "hinge_real", lambda t: ops.where(t < 1, 1 - t, ops.zeros_like(t)))
    replace(losses, "hinge_fake", lambda t: ops.where(t > -1, 1 + t, ops.zeros_like(t)))


@plants("rare numbers", "negative numbers that float32 cannot hold are clipped", "L0-leaky-overflow", "refuses")
def clipped_negatives(replace):
    from alae_core import runner

    sound = runner.as_dtype
    least = float(np.finfo(np.float32).min)

    def as_dtype(name, array, dtype):
        return sound(name, np.maximum(array, least) if np.asarray(array).dtype.kind == "f" else array, dtype)

    replace(runner, "as_dtype", as_dtype)


@plants("rare numbers", "a state that is not finite is saved", "L1-labels-nonfinite", "finite")
def saved_nan(replace):
    from alae_core import checkpoint_writing

    replace(checkpoint_writing, "find_not_finite", lambda state: None)


@plants("rare numbers", "R1's gradient is clipped to ±300", "L3-wasserstein-scaled", "gradients")
def clipped_penalty(replace):
    from keras import ops

    from alae_core import updates

    sound = updates.gradient_penalty
    replace(updates, "gradient_penalty", lambda gradient, gamma: sound(ops.clip(gradient, -300.0, 300.0), gamma))


@plants("rare numbers", "gradients of E and D are clipped to ±1e5", "L3-wasserstein-scaled", "moments")
def clipped_gradients(replace):
    from keras import ops

    from alae_core import walk

    sound = walk._rescale

    def rescale(model, name, gradient):
        found = sound(model, name, gradient)
        return ops.clip(found, -1e5, 1e5) if name[0] in "ED" else found

    replace(walk, "_rescale", rescale)


def plant_clipped_variances(replace, most):
    """Let a VAE's logarithms of variances lie within ±`most`."""
    from keras import ops

    from alae_core import baselines

    sound = baselines.encode

    def encode(networks, images, batch, by="E"):
        codes = sound(networks, images, batch, by=by)
        return ops.clip(codes, -most, most) if by == "V" else codes

    replace(baselines, "encode", encode)


@plants("rare numbers", "a VAE's logarithms of variances are clipped to ±10", "L2-vae-variances", "losses")
def clipped_variances(replace):
    plant_clipped_variances(replace, 10.0)


@plants("rare numbers", "the mean of w stays after 100 steps", "L3-spread-late", "w_mean")
def mean_stops(replace):
    from alae_core.runner import BaseRunner

    sound = BaseRunner.step

    def step(self, images, **options):
        updates = self.model.updates
        if self.step_number > 100:
            self.model.updates = [changed(each, moves_w_mean=False) for each in updates]
        try:
            return sound(self, images, **options)
        finally:
            self.model.updates = updates

    replace(BaseRunner, "step", step)


@plants("rare numbers", "a state with moments that are not finite is saved", "L1-labels-nonfinite", "finite")
def saved_moments(replace):
    from alae_core import checkpoint_writing

    sound = checkpoint_writing.find_not_finite

    def find(state):
        return sound({name: array for name, array in state.items() if not name.startswith("adam/")})

    replace(checkpoint_writing, "find_not_finite", find)


@plants("rare numbers", "numbers that float32 rounds to zero are refused", "L0-leaky-overflow", "refuses")
def refused_tiny(replace):
    from alae_core import runner
    from alae_core.errors import CheckpointError

    sound = runner.as_dtype

    def as_dtype(name, array, dtype):
        found = sound(name, array, dtype)
        if np.any((found == 0) & (np.asarray(array) != 0)):
            raise CheckpointError(f"{name} has numbers that are too small")
        return found

    replace(runner, "as_dtype", as_dtype)


@plants("rare numbers", "a VAE's logarithms of variances are clipped to ±20", "L2-vae-variances", "losses")
def clipped_large_variances(replace):
    plant_clipped_variances(replace, 20.0)


@plants("rare numbers", "NaN in one of several passes counts as zero", "L3-leaky-passes", "finite", "float64")
def finite_passes(replace):
    from alae_core import walk

    sound = walk._mean

    def mean(mechanics, compute, batch):
        if walk.count_passes(batch.images.shape[0], mechanics.microbatch) == 1:
            return sound(mechanics, compute, batch)
        return sound(mechanics, lambda part: {name: hide(each) for name, each in compute(part).items()}, batch)

    replace(walk, "_mean", mean)


@plants("rare numbers", "variances are mean squares less squared means", "L1-deep-distant", "forward", "float64")
def cancelling_variances(replace):
    from keras import ops

    from alae_core.networks import features, style_encoder, style_generator

    def norm(maps, epsilon):
        mean = features._mean_of_pixels(maps)
        variance = features._mean_of_pixels(maps * maps) - mean * mean
        return (maps - mean) * (1 / ops.sqrt(variance + epsilon)), mean, variance

    for module in (style_encoder, style_generator):
        replace(module, "instance_norm", norm)


@plants("rare numbers", "differences of pairs are clipped to ±30", "L2-relativistic-apart", "gradients", "float64")
def clipped_pairs(replace):
    from keras import ops

    from alae_core import updates

    sound = updates.discriminator_loss

    def loss(objective, real, fake):
        return sound(objective, fake + ops.clip(real - fake, -30.0, 30.0) if objective.fake is None else real, fake)

    replace(updates, "discriminator_loss", loss)
