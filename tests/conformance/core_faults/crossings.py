"""4: faults that need two options, or an option in another place."""

from dataclasses import replace as changed

from tests.conformance.core_faults.registry import plant_with_config, plants


@plants(
    "crossings", "the weight of the loop is ignored where it is an update of its own", "L3-unusual-run", "trajectory"
)
def unweighted(replace):
    from alae_core import alae_losses

    sound = alae_losses._distance_of_codes

    def distance(config, batch, w, estimate):
        if config.updates.reciprocity == "own":
            config = config.model_copy(update={"updates": config.updates.model_copy(update={"weight": 1.0})})
        return sound(config, batch, w, estimate)

    replace(alae_losses, "_distance_of_codes", distance)


@plants("crossings", "reciprocity of its own is done at every step", "L3-unusual-run", "trajectory")
def at_every_step(replace):
    from alae_core import model

    sound = model.updates_of
    replace(model, "updates_of", lambda config: tuple(changed(each, every=1) for each in sound(config)))


@plants("crossings", "a schedule of γ that starts at zero has no R1", "L3-uncommon-run", "trajectory", "float64")
def no_rising_gamma(replace):
    def change(config, here):
        return here._replace(rates=here.rates._replace(r1_gamma=None)) if config.r1_gamma == 0 else here

    plant_with_config(replace, change)


@plants("crossings", "weights of networks with levels cannot be frozen", "L3-scheduled-growth", "untouched", "float64")
def not_frozen(replace):
    from alae_core.runner import BaseRunner

    sound = BaseRunner.trained_weights

    def trained_weights(self, update, batch):
        if self.networks.level_of(batch.images) is not None:
            self.frozen = set()
        return sound(self, update, batch)

    replace(BaseRunner, "trained_weights", trained_weights)


@plants(
    "crossings", "in passes, pairs have the real image of another row", "L3-unusual-run", "trajectory", "microbatch"
)
def other_pairs(replace):
    from keras import ops

    from alae_core import updates

    sound = updates.discriminator_loss
    replace(
        updates,
        "discriminator_loss",
        lambda objective, real, fake: sound(objective, ops.roll(real, 1) if real.shape[0] == 2 else real, fake),
    )


@plants("crossings", "R2 is left out of augmented images with labels", "L2-unusual-gradients", "gradients", "float64")
def no_penalty(replace):
    from alae_core import alae_losses

    sound = alae_losses._judge_fake

    def judge(config, networks, images, batch, input_gradient):
        if batch.draws.augment is not None and batch.labels is not None:
            config = config.model_copy(update={"r2_gamma": 0.0})
        return sound(config, networks, images, batch, input_gradient)

    replace(alae_losses, "_judge_fake", judge)


@plants("crossings", "the weight of reciprocity does not count for z", "L2-particular-gradients", "gradients")
def weightless_z(replace):
    from alae_core import alae_losses

    sound = alae_losses._distance_of_codes

    def distance(config, *arguments):
        factor = config.updates.weight if config.reciprocity == "z" else 1
        return sound(config, *arguments) / factor

    replace(alae_losses, "_distance_of_codes", distance)


@plants("crossings", "images are scaled only if they may move otherwise too", "L2-particular-gradients", "gradients")
def never_scaled_alone(replace):
    from alae_core import updates

    sound = updates.augment_images

    def augment(images, changes, p, transforms):
        return images if tuple(transforms) == ("scale",) else sound(images, changes, p, transforms)

    replace(updates, "augment_images", augment)


@plants("crossings", "cut-outs need another transformation", "L1-augmented-alone", "losses", "float64")
def never_cut_alone(replace):
    from alae_core import updates

    sound = updates.augment_images

    def augment(images, changes, p, transforms):
        return images if tuple(transforms) == ("cutout",) else sound(images, changes, p, transforms)

    replace(updates, "augment_images", augment)


@plants(
    "crossings", "a run with levels that was resumed counts its images from the first step", "L0-style-levels", "shapes"
)
def levels_counted_again(replace):
    from alae_core import growth

    sound = growth.count_shown

    def count(config, step):
        return sound(config.model_copy(update={"resumed": None}) if config.growth else config, step)

    replace(growth, "count_shown", count)


@plants("crossings", "R2 follows the schedule of R1's γ", "L3-entwined-run", "trajectory", "float64")
def scheduled_penalty(replace):
    from alae_core import alae_losses

    sound = alae_losses._judge_fake

    def judge(config, networks, images, batch, input_gradient):
        codes, logits, penalty = sound(config, networks, images, batch, input_gradient)
        if penalty is not None and batch.r1_gamma is not None:
            penalty = penalty * batch.r1_gamma / config.r1_gamma
        return codes, logits, penalty

    replace(alae_losses, "_judge_fake", judge)


@plants("crossings", "the weight of the loop in w is one of the loop in images too", "L2-array-ap", "losses", "float64")
def weighted_images(replace):
    from alae_core import alae_losses

    sound = alae_losses.pixel_distance
    replace(alae_losses, "pixel_distance", lambda config, *rest: config.updates.weight * sound(config, *rest))


@plants("crossings", "a BiGAN ignores the schedule of γ", "L2-array-ar", "losses", "float64")
def constant_gamma(replace):
    from alae_core import baselines

    sound = baselines.discriminator_loss_with_r1
    replace(
        baselines,
        "discriminator_loss_with_r1",
        lambda config, batch, *rest: sound(config, batch._replace(r1_gamma=None), *rest),
    )


@plants("crossings", "averages of frozen weights stay", "L3-frozen-only", "averages")
def frozen_averages(replace):
    from types import SimpleNamespace

    from alae_core.runner import BaseRunner

    sound = BaseRunner.__init__

    def begin(self, backend, model):
        sound(self, backend, model)
        average = self.average

        def average_others(tensors, decay):
            others = {name: each for name, each in model.variables.items() if name not in self.frozen}
            self.model = SimpleNamespace(variables=others)
            try:
                average(tensors, decay)
            finally:
                self.model = model

        self.average = average_others

    replace(BaseRunner, "__init__", begin)


@plants(
    "crossings",
    "a discriminator's update with a D on images does not train E to estimate z",
    "L2-array-bw",
    "gradients",
    "float64",
)
def untrained_estimate(replace):
    from alae_core.runner import BaseRunner

    sound = BaseRunner.trained_weights

    def trained_weights(self, update, batch):
        lost = self.config.reciprocity == "z" and self.config.networks.discriminator == "images"
        lost &= update.name == "discriminator"
        return [name for name in sound(self, update, batch) if not (lost and name.startswith("E/"))]

    replace(BaseRunner, "trained_weights", trained_weights)


@plants("crossings", "joint updates train F to be estimated as z in any case", "L2-array-bw", "gradients", "float64")
def trained_estimate(replace):
    from alae_core import alae_losses

    sound = alae_losses._loop_term

    def loop_term(config, *arguments, trains_F):
        return sound(config, *arguments, trains_F=trains_F or config.reciprocity == "z")

    replace(alae_losses, "_loop_term", loop_term)


@plants("crossings", "Adam does not restart at a level without a fade", "L3-scheduled-growth", "counts", "float64")
def restarts_to_fade(replace):
    plant_with_config(replace, lambda config, here: here._replace(restarts=here.restarts and here.blend < 1))


@plants("crossings", "images of four channels have hues", "L1-augmented-alone", "losses", "float64")
def hues_of_four(replace):
    from alae_core import augment

    sound = augment._colour
    replace(
        augment,
        "_colour",
        lambda pixels, channels, change: sound(pixels, 3 if channels == 4 else channels, change),
    )


@plants("crossings", "averages do not move where their half-life is zero", "L3-conv-run", "averages")
def lasting_averages(replace):
    def change(config, here):
        decay = here.rates.average_decay
        return here._replace(rates=here.rates._replace(average_decay=1.0 if decay == 0 else decay))

    plant_with_config(replace, change)
