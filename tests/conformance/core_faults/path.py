"""3: the path of training beyond the first level, and beyond the first step."""

import numpy as np

from tests.conformance.core_faults.registry import plants


@plants(
    "path",
    "losses and gradients outside of training have the γ of the first step",
    "L2-uncommon-reloaded",
    "losses",
    "float64",
)
def first_gamma(replace):
    from alae_core.runner import BaseRunner

    sound = BaseRunner._batches_at_rest

    def at_rest(self, *arguments):
        step, self.step_number = self.step_number, 0
        try:
            return sound(self, *arguments)
        finally:
            self.step_number = step

    replace(BaseRunner, "_batches_at_rest", at_rest)


@plants("path", "bytes that were put are not faded", "L3-style-ahead", "drawn")
def unfaded_bytes(replace):
    from alae_core.networks.style import Styles
    from alae_core.placement import BatchPlacer

    put, fade, whole = BatchPlacer.put, Styles.fade, []

    def put_bytes(self, images, labels=None):
        batch = put(self, images, labels)
        whole.extend([batch.images] * (np.asarray(images).dtype == np.uint8))
        return batch

    def fade_floats(self, images, **options):
        return images if any(images is each for each in whole) else fade(self, images, **options)

    replace(BatchPlacer, "put", put_bytes)
    replace(Styles, "fade", fade_floats)


@plants("path", "a step that refuses its batch counts", "L0-leaky-refusals", "still")
def refused_counts(replace):
    from alae_core.errors import ArgumentError
    from alae_core.runner import BaseRunner

    sound = BaseRunner._require_size

    def require_size(self, batch, view):
        try:
            sound(self, batch, view)
        except ArgumentError:
            self.step_number += 1
            raise

    replace(BaseRunner, "_require_size", require_size)


@plants("path", "noise that is given is ignored after a step that drew its own", "L3-style-ahead", "drawn")
def lingering_draws(replace):
    from alae_core.runner import BaseRunner

    sound, own = BaseRunner.step, {}

    def step(self, images, *, draws=None, **options):
        if draws is None:
            own[id(self)] = self.step_number
        elif own.get(id(self)) == self.step_number - 1:
            draws = None
        return sound(self, images, draws=draws, **options)

    replace(BaseRunner, "step", step)


@plants("path", "a state of the same step leaves the averages as they were", "L0-leaky-contract", "by_name")
def kept_averages(replace):
    from alae_core.runner import BaseRunner

    sound = BaseRunner.load

    def load(self, state):
        same = self.tensors and self.step_number and int(state["step"]) == self.step_number
        kept = self.state() if same else {}
        kept = {name: array for name, array in kept.items() if name.startswith("averages/")}
        sound(self, {name: kept.get(name, array) for name, array in state.items()})

    replace(BaseRunner, "load", load)
