"""6: means that are not reduced over devices, or reduced twice."""

from tests.conformance.core_faults.registry import plants


def plant_bypass(replace, method, bypasses=lambda options: True):
    """Let a method of runners not reduce if `bypasses(options)`."""
    from alae_core.runner import BaseRunner

    sound = getattr(BaseRunner, method)

    def bypass(self, *arguments, **options):
        # The suite's own `reduce` is an attribute of the runner.
        own = vars(self).pop("reduce", None) if bypasses(options) else None
        try:
            return sound(self, *arguments, **options)
        finally:
            if own:
                self.reduce = own

    replace(BaseRunner, method, bypass)


def plant_bypass_in_step(replace, bypasses):
    """Let means in a step not be reduced if `bypasses(compute, batch)`."""
    from alae_core import walk

    sound = walk._mean

    def mean(mechanics, compute, batch):
        own = mechanics.reduce
        if bypasses(compute, batch):
            mechanics.reduce = lambda means: means
        try:
            return sound(mechanics, compute, batch)
        finally:
            mechanics.reduce = own

    replace(walk, "_mean", mean)


@plants("reduction", "losses outside of training are not reduced", "L3-adaptive-reduced", "losses")
def losses_alone(replace):
    plant_bypass(replace, "losses")


@plants("reduction", "gradients outside of training are not reduced", "L3-adaptive-reduced", "gradients")
def gradients_alone(replace):
    plant_bypass(replace, "gradients")


@plants("reduction", "a step of one update is not reduced", "L3-adaptive-reduced", "losses")
def update_alone(replace):
    plant_bypass(replace, "step", lambda options: options.get("only") is not None)


@plants("reduction", "the update pixels is not reduced", "L3-conv-reduced", "losses")
def pixels_alone(replace):
    plant_bypass_in_step(replace, lambda compute, batch: batch.draws.z is None)


@plants("reduction", "a batch of one image is not reduced", "L3-adaptive-reduced", "losses")
def image_alone(replace):
    plant_bypass_in_step(replace, lambda compute, batch: batch.images.shape[0] == 1)


@plants("reduction", "the mean of w of labelled images is not reduced", "L3-conditional-reduced", "w_mean", "float64")
def mean_alone(replace):
    # The gradients of an update are computed by a partial function.
    plant_bypass_in_step(replace, lambda compute, batch: batch.labels is not None and not hasattr(compute, "func"))


@plants("reduction", "each pass is reduced, and then their mean", "L3-adaptive-reduced", "losses", "microbatch")
def passes_twice(replace):
    from alae_core import walk

    sound = walk._mean

    def mean(mechanics, compute, batch):
        passes = walk.count_passes(batch.images.shape[0], mechanics.microbatch)
        return sound(mechanics, compute if passes == 1 else lambda part: mechanics.reduce(compute(part)), batch)

    replace(walk, "_mean", mean)


@plants("reduction", "gradients of G's updates alone are reduced", "L3-adaptive-reduced", "gradients")
def gradients_of_others(replace):
    from alae_core.runner import BaseRunner

    sound = BaseRunner.gradients

    def gradients(self, update, *arguments, **options):
        own = None if update == "generator" else vars(self).pop("reduce", None)
        try:
            return sound(self, update, *arguments, **options)
        finally:
            if own:
                self.reduce = own

    replace(BaseRunner, "gradients", gradients)
