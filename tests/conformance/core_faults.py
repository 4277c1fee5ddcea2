"""Faults of alae_core on each backend, of kinds that are hard to see: ranges, lanes, constants and hidden state.

    KERAS_BACKEND=torch python -m tests.conformance.core_faults torch [NAME…]

It prints a line for each fault in JSON: its name, its error over the limit, and that of the correct backend. Faults in
float64 run in a second process, since JAX chooses that precision for the whole process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from alae_conformance.tolerances import Lane


class CoreFault(NamedTuple):
    """A fault, and the check of a case that must fail on it; `plant` patches modules of alae_core."""

    name: str
    kind: str
    fault: str
    case: str
    check: str
    lane: Lane
    plant: Callable[[Callable[[str, str, object], None]], None]


CORE_FAULTS: list[CoreFault] = []
#: the faults that are planted in one process
GROUPS = {"float64": lambda fault: fault.lane == "float64", "float32": lambda fault: fault.lane != "float64"}


def plants(kind, fault, case, check, lane="float32"):
    """Register a function that plants a fault: it gets a function that replaces a member, given its owner and name."""

    def register(plant):
        CORE_FAULTS.append(CoreFault(plant.__name__, kind, fault, case, check, lane, plant))
        return plant

    return register


def with_constant(function, old, new):
    """Return a copy of a function in which a literal number is another."""
    constants = function.__code__.co_consts
    assert constants.count(old) == 1, (function, old)
    code = function.__code__.replace(co_consts=tuple(new if constant == old else constant for constant in constants))
    return type(function)(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)


# ---- 2: ranges ------------------------------------------------------------------------------------------------------


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


# ---- 8: lanes -------------------------------------------------------------------------------------------------------


def plant_position(replace, change):
    """Let steps be at `change(position, step)` of the schedule."""
    from alae_core import runner

    sound = runner.position
    replace(runner, "position", lambda config, step: change(sound(config, step), step))


def with_adam(here, **changed):
    """Return a position with other settings of Adam."""
    return here._replace(stage=here.stage._replace(adam=here.stage.adam.model_copy(update=changed)))


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


# ---- 9: constants ---------------------------------------------------------------------------------------------------


@plants("constants", "the ε of pixel norm is 1.1e-8", "L1-official-faint", "forward")
def epsilon_of_pixel_norm(replace):
    from alae_core.networks.layers import PixelNorm

    replace(PixelNorm, "call", with_constant(PixelNorm.call, 1e-8, 1.1e-8))


@plants("constants", "the ε of G's instance norm is 1.1e-8", "L1-style-faint", "forward")
def epsilon_of_generator(replace):
    from alae_core.networks import style_generator

    replace(style_generator, "_EPSILON", 1.1e-8)


@plants("constants", "the ε of E's instance norm is 1.1e-5", "L1-style-faint", "forward")
def epsilon_of_encoder(replace):
    from alae_core.networks import style_encoder

    replace(style_encoder, "_EPSILON", 1.1e-5)


@plants("constants", "the ε of E's statistics is 1.1e-10", "L1-style-faint", "forward")
def epsilon_of_statistics(replace):
    from alae_core.networks import features, style_encoder

    other = with_constant(features.statistics, 1e-10, 1.1e-10)
    for module in (features, style_encoder):
        replace(module, "statistics", other)


@plants("constants", "Adam's ε is 1.01e-8", "L3-wasserstein-epsilon", "displacement")
def epsilon_of_adam(replace):
    plant_position(replace, lambda here, step: with_adam(here, epsilon=1.01 * here.stage.adam.epsilon))


@plants("constants", "a cut-out has 0.505 of the image's sides", "L1-augmented-edges", "losses")
def larger_cutouts(replace):
    from alae_core import augment

    replace(augment, "_mask", with_constant(augment._mask, 4, 4 / 1.01))


@plants("constants", "flips are 0.5 % too likely", "L1-augmented-edges", "losses")
def likelier_flips(replace):
    from alae_core import augment

    replace(augment, "_move", with_constant(augment._move, 0.5, 0.5025))


@plants("constants", "the learning rate is 1 % smaller after step 100", "L3-leaky-late", "displacement")
def slower_later(replace):
    def change(here, step):
        return with_adam(here, learning_rate=here.stage.adam.learning_rate * (0.99 if step > 100 else 1))

    plant_position(replace, change)


# ---- 10: hidden state -----------------------------------------------------------------------------------------------


@plants(
    "hidden state",
    "labels of a batch are those of the first with as many images",
    "L2-mixed-product",
    "gradients",
    "float64",
)
def constant_labels(replace):
    from alae_core import placement

    sound, kept = placement.one_hot, {}
    replace(
        placement, "one_hot", lambda config, labels, count: kept.setdefault(count, list(sound(config, labels, count)))
    )


@plants("hidden state", "images are copied to the device once for each array", "L2-mixed-product", "again", "float64")
def images_by_identity(replace):
    from alae_core import placement

    sound, kept = placement.require_images, {}

    def require(images):
        # The array is kept too, so that no other gets its address.
        return kept.setdefault(id(images), (images, np.array(sound(images))))[1]

    replace(placement, "require_images", require)


@plants(
    "hidden state",
    "augmentation is that of the first batch with as many images",
    "L2-mixed-product",
    "gradients",
    "float64",
)
def constant_augmentation(replace):
    from alae_core.placement import BatchPlacer

    sound, kept = BatchPlacer._place_draws, {}

    def place(self, batch, update, draws, step):
        placed = sound(self, batch, update, draws, step)
        return placed._replace(augment=kept.setdefault((update, len(batch.images)), placed.augment))

    replace(BatchPlacer, "_place_draws", place)


@plants("hidden state", "bytes are divided by 128 after a batch of floats", "L2-mixed-product", "gradients", "float64")
def other_bytes(replace):
    from keras import ops

    from alae_core.placement import BatchPlacer

    def from_bytes(self, images):
        return ops.cast(self.rows_to_device(images), self.config.dtype) / 128 - 1

    for cls in {BatchPlacer, *_runners()}:
        replace(cls, "_from_bytes", from_bytes)


def _runners():
    """Return the runners' class of this process's framework, if it has its own way to convert bytes."""
    import keras

    from alae_core import load_backend

    engine = load_backend(keras.backend.backend())._engine()
    return [cls for cls in vars(engine).values() if isinstance(cls, type) and "_from_bytes" in vars(cls)]


@plants(
    "hidden state",
    "a level has the blend that it was first computed at",
    "L2-conditional-product",
    "gradients",
    "float64",
)
def constant_blend(replace):
    from alae_core.placement import BatchPlacer

    sound, kept = BatchPlacer._make_batches, {}

    def make(self, batch, draws, here, step):
        blend = kept.setdefault(batch.images.shape[1], here.blend)
        return sound(self, batch, draws, here._replace(blend=blend), step)

    replace(BatchPlacer, "_make_batches", make)


@plants(
    "hidden state", "the device's noise is the noise that was given last", "L2-conditional-product", "drawn", "float64"
)
def last_noise(replace):
    from alae_core.placement import BatchPlacer

    sound, last = BatchPlacer._place_draws, {}

    def place(self, batch, update, draws, step):
        key = update, tuple(batch.images.shape)
        if draws.noise is not None:
            last[key] = draws.noise
        return sound(self, batch, update, draws._replace(noise=draws.noise or last.get(key)), step)

    replace(BatchPlacer, "_place_draws", place)


@plants(
    "hidden state",
    "a step has the labels of the first batch with as many images",
    "L3-labels-product",
    "losses",
    "float64",
)
def constant_labels_of_steps(replace):
    constant_labels(replace)


@plants(
    "hidden state",
    "a step with one update is done with all of them if they were compiled before",
    "L3-labels-product",
    "movement",
    "float64",
)
def all_updates(replace):
    from alae_core.runner import BaseRunner

    sound, compiled = BaseRunner.step, set()

    def step(self, images, *, only=None, **options):
        count = len(images) if isinstance(images, np.ndarray) else len(images.images)
        if only is None:
            compiled.add(count)
        return sound(self, images, only=None if count in compiled else only, **options)

    replace(BaseRunner, "step", step)


# ---- the command ----------------------------------------------------------------------------------------------------


def judge_fault(fault, subject):
    """Return the error over the limit of a fault's check, on a subject."""
    from tests.conformance.mutants import judge_subject, worst_of

    return worst_of(fault.check, judge_subject(fault.case, fault.lane, subject)).ratio


def judge_faults(backend, faults):
    """Plant each fault in this process, and yield its ratio and that of the correct backend."""
    from alae_conformance.subjects.backend import BackendSubject

    correct = {}
    for fault in faults:
        if (fault.case, fault.check, fault.lane) not in correct:
            control = judge_fault(fault, BackendSubject(backend, fault.lane))
            correct[fault.case, fault.check, fault.lane] = control
        planted = []

        def replace(owner, name, value, planted=planted):
            planted.append(patch.object(owner, name, value))
            planted[-1].start()

        try:
            fault.plant(replace)
            yield (
                fault,
                judge_fault(fault, BackendSubject(backend, fault.lane)),
                correct[fault.case, fault.check, fault.lane],
            )
        finally:
            for each in reversed(planted):
                each.stop()


def measure(backend, group):
    """Return (ratio of the fault, ratio of the correct backend) by the fault's name, from a process of its own."""
    names = [fault.name for fault in CORE_FAULTS if GROUPS[group](fault)]
    command = [sys.executable, "-m", "tests.conformance.core_faults", backend, *names]
    # A start-up message of a framework is not an answer.
    done = subprocess.run(
        command, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('["')]
    return {name: (found, control) for name, found, control in lines}


def main():
    """Judge the named faults, or all that run in float32, bfloat16 and passes."""
    backend, *names = sys.argv[1:]
    chosen = [fault for fault in CORE_FAULTS if (fault.name in names if names else GROUPS["float32"](fault))]
    for fault, found, control in judge_faults(backend, chosen):
        print(json.dumps([fault.name, found, control]), flush=True)


if __name__ == "__main__":
    # Under its own name, because faults are registered in the module that tests import.
    from tests.conformance.core_faults import main

    main()
