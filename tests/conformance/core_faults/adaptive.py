"""5: a probability of augmentation that adapts."""

from dataclasses import replace as changed

from tests.conformance.core_faults.registry import plant_position, plant_with_config, plants


def plant_adapting(replace, adapt):
    """Let `adapt(sound, choice, p, separation, images)` move p, where `sound` is the correct function."""
    from alae_core import walk

    sound = walk.adapt_p
    replace(walk, "adapt_p", lambda *arguments: adapt(sound, *arguments))


@plants(
    "adaptive p",
    "p stays if the separation is within 0.03 of its target",
    "L3-uncommon-run",
    "augment_p",
    "float64",
)
def wide_target(replace):
    from keras import ops

    def adapt(sound, choice, p, separation, images):
        return ops.where(ops.abs(separation - choice.target) < 0.03, p, sound(choice, p, separation, images))

    plant_adapting(replace, adapt)


@plants("adaptive p", "a negative target counts as positive", "L3-uncommon-run", "augment_p", "float64")
def positive_target(replace):
    def adapt(sound, choice, p, separation, images):
        return sound(choice.model_copy(update={"target": abs(choice.target)}), p, separation, images)

    plant_adapting(replace, adapt)


@plants("adaptive p", "p falls twice as fast as it rises", "L3-uncommon-run", "augment_p", "float64")
def faster_fall(replace):
    from keras import ops

    def adapt(sound, choice, p, separation, images):
        moved = sound(choice, p, separation, images)
        return ops.minimum(moved, 2 * moved - p)

    plant_adapting(replace, adapt)


@plants(
    "adaptive p",
    "p moves by the configuration's batch size at every level",
    "L3-scheduled-growth",
    "augment_p",
    "float64",
)
def usual_batch(replace):
    def change(config, here):
        return here._replace(stage=here.stage._replace(batch_size=config.batch_size))

    plant_with_config(replace, change)


@plants("adaptive p", "p adapts in a step of the generator alone", "L3-adaptive-only", "augment_p", "float64")
def adapting_alone(replace):
    from alae_core.runner import BaseRunner
    from alae_core.updates import measure_separation

    sound = BaseRunner.step

    def step(self, images, *, only=None, **options):
        updates = self.model.updates
        if only == "generator":
            self.model.updates = [
                changed(each, separation=measure_separation) if each.name == only else each for each in updates
            ]
        try:
            return sound(self, images, only=only, **options)
        finally:
            self.model.updates = updates

    replace(BaseRunner, "step", step)


def plant_separation(replace, change):
    """Let the separation be that of `change(batch)`."""
    from alae_core import alae_losses

    sound = alae_losses.measure_separation
    replace(alae_losses, "measure_separation", lambda networks, batch: sound(networks, change(batch)))


@plants("adaptive p", "p moves half as far after 1,000 steps", "L3-uncommon-late", "augment_p", "float64")
def slower_p(replace):
    def change(here, step):
        size = here.stage.batch_size
        return here._replace(stage=here.stage._replace(batch_size=size / 2 if step > 1000 else size))

    plant_position(replace, change)


@plants("adaptive p", "the separation is that of other labels", "L3-uncommon-separating", "direction", "float64")
def separated_otherwise(replace):
    from keras import ops

    plant_separation(replace, lambda batch: batch._replace(labels=ops.roll(batch.labels, 1, axis=-1)))


@plants("adaptive p", "the separation is that at the first p", "L3-uncommon-separating", "direction", "float64")
def separated_at_first(replace):
    plant_separation(replace, lambda batch: batch._replace(augment_p=0 * batch.augment_p + 0.3))


@plants(
    "adaptive p",
    "the separation is that of a whole level while it fades in",
    "L3-scheduled-separating",
    "direction",
    "float64",
)
def separated_whole(replace):
    plant_separation(replace, lambda batch: batch._replace(blend=0 * batch.blend + 1))


@plants("adaptive p", "the separation is that of unmixed styles", "L3-scheduled-separating", "direction", "float64")
def separated_unmixed(replace):
    plant_separation(replace, lambda batch: batch._replace(draws=batch.draws._replace(mix=None)))


def plant_counting(replace, count):
    """Let the separation be the mean of `count(real logits, fake logits)`."""
    from keras import ops

    from alae_core import alae_losses, updates

    def measure(networks, batch):
        _, fake = updates.make_constant_images(networks, batch)
        real, fake = (
            updates.score(networks, updates.apply_augmentation(networks, images, batch), batch)
            for images in (batch.images, fake)
        )
        return ops.sum(count(real, fake)) / real.shape[0]

    replace(alae_losses, "measure_separation", measure)


@plants("adaptive p", "equal logits count as separated", "L3-met-run", "direction")
def separated_ties(replace):
    from keras import ops

    plant_counting(replace, lambda real, fake: 1 - 2 * ops.cast(real < fake, real.dtype))


@plants("adaptive p", "equal logits count as badly separated", "L3-uncommon-separating", "direction", "float64")
def worst_ties(replace):
    from keras import ops

    plant_counting(replace, lambda real, fake: 2 * ops.cast(real > fake, real.dtype) - 1)
