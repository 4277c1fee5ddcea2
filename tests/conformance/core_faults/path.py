"""3: the path of training beyond the first level, and beyond the first step."""

from dataclasses import replace as changed

import numpy as np

from tests.conformance.core_faults.registry import plant_position, plant_with_config, plants, with_adam


@plants(
    "path", "a step of one update at a level's first step does not restart Adam", "L3-style-only", "counts", "float64"
)
def adam_goes_on(replace):
    from alae_core import runner

    position, step, alone = runner.position, runner.BaseRunner.step, []

    def step_alone(self, images, *, only=None, **options):
        alone[:] = [only is not None]
        return step(self, images, only=only, **options)

    def position_alone(config, step):
        here = position(config, step)
        return here._replace(restarts=False) if alone == [True] else here

    replace(runner, "position", position_alone)
    replace(runner.BaseRunner, "step", step_alone)


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


@plants("path", "networks with levels ignore the schedule's rate", "L3-scheduled-growth", "displacement", "float64")
def constant_rate(replace):
    plant_position(replace, lambda here, step: here._replace(rates=here.rates._replace(rate=None)))


@plants("path", "Adam has no warm-up beyond the first level", "L3-scheduled-growth", "displacement", "float64")
def no_later_warmup(replace):
    plant_position(replace, lambda here, step: with_adam(here, warmup=0.0) if here.stage.lod else here)


@plants(
    "path",
    "while averages warm up, their decay has the configuration's batch size",
    "L3-scheduled-growth",
    "averages",
    "float64",
)
def other_warmup(replace):
    from alae_core import growth

    sound = growth._rates
    replace(
        growth,
        "_rates",
        lambda config, shown, stage: sound(config, shown, stage._replace(batch_size=config.batch_size)),
    )


@plants("path", "rare updates are counted from a level's first step", "L3-scheduled-growth", "trajectory", "float64")
def counted_by_level(replace):
    from alae_core.growth import count_shown, position
    from alae_core.runner import BaseRunner

    sound = BaseRunner.step

    def step(self, images, **options):
        stage, updates = position(self.config, self.step_number).stage, self.model.updates
        done = count_shown(self.config, self.step_number)[stage.lod] // stage.batch_size
        # A step is a multiple of 1, and not of a larger number.
        never = self.step_number + 1
        self.model.updates = [changed(each, every=never if done % each.every else 1) for each in updates]
        try:
            return sound(self, images, **options)
        finally:
            self.model.updates = updates

    replace(BaseRunner, "step", step)


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


@plants("path", "a step of one update shows images unfaded", "L3-scheduled-separating", "losses", "float64")
def unfaded_alone(replace):
    from alae_core.runner import BaseRunner

    sound = BaseRunner.step

    def step(self, images, *, only=None, **options):
        if only is None:
            return sound(self, images, **options)
        self.networks.fade = lambda images, **level: images
        try:
            return sound(self, images, only=only, **options)
        finally:
            del self.networks.fade

    replace(BaseRunner, "step", step)


@plants("path", "a batch that was put fades once more in each step", "L3-conditional-twice", "drawn", "float64")
def faded_again(replace):
    from alae_core.networks.style import Styles

    sound, last = Styles.fade, []

    def fade(self, images, *, lod=None, blend=1.0):
        given = images
        if last and last[0] is images:
            images = last[1]
        found = sound(self, images, lod=lod, blend=blend)
        last[:] = given, found
        return found

    replace(Styles, "fade", fade)


@plants("path", "labels of a put batch are exchanged while a level fades in", "L3-conditional-ahead", "drawn")
def exchanged_labels(replace):
    from keras import ops

    from alae_core.runner import BaseRunner
    from alae_core.updates import Batch

    def step(self, images, *, sound=BaseRunner.step, **options):
        if isinstance(images, Batch) and len(images.images.shape) and images.images.shape[1] > 4:
            images = images._replace(labels=ops.roll(images.labels, 1, axis=-1))
        return sound(self, images, **options)

    replace(BaseRunner, "step", step)


@plants("path", "Adam does not restart in the first step of a process", "L3-lasting-paces", "counts", "float64")
def restarts_later(replace):
    from alae_core import runner

    sound, step, stepped = runner.position, runner.BaseRunner.step, []

    def position(config, number):
        here = sound(config, number)
        return here if stepped else here._replace(restarts=False)

    def step_once(self, images, **options):
        try:
            return step(self, images, **options)
        finally:
            stepped.append(self)

    replace(runner, "position", position)
    replace(runner.BaseRunner, "step", step_once)


@plants("path", "the first level that a run trains does not fade in", "L3-entered-growth", "trajectory", "float64")
def first_trained_appears(replace):
    def change(config, here):
        return here._replace(blend=1.0) if here.stage.lod == config.growth.from_level else here

    plant_with_config(replace, change)


@plants("path", "a checkpoint does not tell where its run was resumed", "L5-entwined-portability", "own", "float64")
def resumed_unsaid(replace):
    from alae_core import checkpoint

    sound = checkpoint.make_config

    def make_config(*arguments, **options):
        return sound(*arguments, **options).model_copy(update={"resumed": None})

    replace(checkpoint, "make_config", make_config)


@plants("path", "Adam's first moments do not restart at a level", "L3-style-only", "moments", "float64")
def lasting_moments(replace):
    from alae_core.runner import BaseRunner

    sound = BaseRunner.step

    def step(self, *arguments, **options):
        clear = self.clear
        self.clear = lambda names: clear(name for name in names if "/m/" not in name)
        try:
            return sound(self, *arguments, **options)
        finally:
            self.clear = clear

    replace(BaseRunner, "step", step)


@plants("path", "a level amid which a run was resumed lasts for all of its images again", "L0-style-levels", "shapes")
def lasting_level(replace):
    from alae_core import growth

    sound = growth.count_shown

    def count(config, step):
        if config.resumed is None:
            return sound(config, step)
        left, found = max(0, step - config.resumed.step), []
        for known, (size, images) in zip(config.resumed.shown, growth._levels_of(config), strict=True):
            steps = left if images is None else min(left, -(-images // size))
            found.append(known + steps * size)
            left -= steps
        return tuple(found)

    replace(growth, "count_shown", count)
