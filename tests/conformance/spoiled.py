"""A fault in each thing that a plug-in writes or may override, on whatever framework the tests run on."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from alae_conformance.subjects.plugin import Plugin
from alae_core.backend import Backend, Losses, Runner
from alae_core.framework import Framework
from alae_core.runner import BaseRunner


class Spoiled(NamedTuple):
    """A faulty member of a plug-in, and where that must show."""

    member: str
    fault: str
    case: str
    check: str
    wrap: Callable[..., Any]


SPOILED: list[Spoiled] = []


def spoils(member, fault, case, check):
    """Register a function that stands for a member, and gets the sound one first."""

    def register(wrap):
        SPOILED.append(Spoiled(member, fault, case, check, wrap))
        return wrap

    return register


def methods():
    """Every method of the contract, and what `BaseRunner` adds for plug-ins to supply or replace."""
    contract = [("Backend", {**vars(Framework), **vars(Backend)}), ("Runner", vars(Runner))]
    hooks = {name: value for name, value in vars(BaseRunner).items() if name not in vars(Runner)}
    return {
        f"{owner}.{name}"
        for owner, members in (*contract, ("BaseRunner", hooks))
        for name, value in members.items()
        if callable(value) and not name.startswith("_")
    }


def plugin(spoiled=None):
    """The plug-in of this process's framework, sound or not, as the suite asks it."""
    made = Plugin(keras.backend.backend(), "float32")
    if spoiled is None:
        return made
    owner, _, name = spoiled.member.partition(".")
    if owner == "Backend":
        _replace(made.backend, name, spoiled.wrap)
        return made
    sound = made.backend.runner

    def runner(model):
        run = sound(model)
        _replace(run, name, spoiled.wrap)
        return run

    made.backend.runner = runner
    return made


def _replace(thing, name, wrap):
    sound = getattr(thing, name)
    setattr(thing, name, partial(wrap, sound) if callable(sound) else wrap(sound))


# ---- the backend ----------------------------------------------------------------------------------------------------


@spoils("Backend.keras_backend", "another framework than Keras runs on", "L0-leaky-contract", "identity")
def keras_backend(sound):
    return "numpy"


@spoils("Backend.device", "no word of where it computes", "L0-leaky-contract", "identity")
def device(sound):
    return ""


@spoils("Backend.versions", "no version of Keras", "L0-leaky-contract", "identity")
def versions(sound):
    return {name: version for name, version in sound().items() if name != "keras"}


@spoils("Backend.devices", "no device at all", "L0-leaky-contract", "identity")
def devices(sound):
    return []


@spoils("Backend.input_gradient", "the gradient of the mean", "L1-leaky-values", "input_gradient")
def input_gradient(sound, fn, x):
    value, gradient = sound(fn, x)
    return value, gradient / len(x)


@spoils("Backend.compile", "what is compiled computes in half precision", "L1-leaky-values", "forward")
def compile_(sound, fn):
    compiled = sound(fn)
    return lambda *arguments: ops.cast(ops.cast(compiled(*arguments), "float16"), "float32")


@spoils("Backend.runner", "a run starts from zeros, not from the model's weights", "L0-leaky-initial", "initial")
def runner(sound, model):
    run = sound(model)
    run.load({name: np.zeros_like(array) for name, array in run.state().items()})
    return run


# ---- the runner -----------------------------------------------------------------------------------------------------


@spoils("Runner.put", "the labels of a batch are lost", "L3-labels-fed", "trajectory")
def put(sound, images, labels=None):
    return sound(images, None if labels is None else np.zeros_like(labels))


@spoils("Runner.step", "one update alone leaves averages where they are", "L3-leaky-only", "averages")
def step(sound, images, *, only=None, **options):
    run = sound.__self__
    before = {name: array for name, array in run.state().items() if name.startswith("averages/")}
    losses = sound(images, only=only, **options)
    if only is not None:
        run.load({**run.state(), **before})
    return losses


@spoils("Runner.losses", "a loss 1 % too large", "L1-leaky-values", "losses")
def losses(sound, *arguments, **options):
    return Losses({name: 1.01 * loss for name, loss in sound(*arguments, **options).items()})


@spoils("Runner.gradients", "gradients of half their size", "L2-leaky-gradients", "gradients")
def gradients(sound, *arguments, **options):
    return {name: gradient / 2 for name, gradient in sound(*arguments, **options).items()}


@spoils("Runner.draws", "one z for all updates", "L0-leaky-contract", "draws")
def draws(sound, step, count):
    found = sound(step, count)
    return dict.fromkeys(found, next(iter(found.values())))


@spoils("Runner.noise", "the same noise for every image", "L0-style-noise", "noise")
def noise(sound, step, count):
    return {update: [map[:1].repeat(len(map), 0) for map in maps] for update, maps in sound(step, count).items()}


@spoils("Runner.weights", "weights where averages are asked for", "L0-leaky-contract", "by_name")
def weights(sound, averaged=False):
    return sound()


@spoils("Runner.state", "a state of half precision", "L0-leaky-contract", "dtypes")
def state(sound):
    return {name: array.astype(np.float16) if array.dtype.kind == "f" else array for name, array in sound().items()}


@spoils("Runner.load", "a state is loaded as far as it fits", "L0-leaky-contract", "refuses")
def load(sound, state):
    known = sound.__self__.state()
    sound(known | {name: state[name] for name in state if name in known and state[name].shape == known[name].shape})


# ---- what a framework supplies --------------------------------------------------------------------------------------


@spoils("BaseRunner.to_device", "floats are clipped to those of images", "L3-labels-fed", "trajectory")
def to_device(sound, array):
    return sound(np.clip(array, -1, 1) if array.dtype.kind == "f" else array)


@spoils("BaseRunner.to_numpy", "arrays come back in half precision", "L0-leaky-contract", "by_name")
def to_numpy(sound, tensor):
    array = sound(tensor)
    return array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array


@spoils("BaseRunner.place", "averages are not loaded", "L0-leaky-contract", "by_name")
def place(sound, arrays):
    run = sound.__self__
    averages = {name: run.to_numpy(run.tensors[name]) for name in arrays if name.startswith("averages/")}
    sound({**arrays, **averages})


@spoils("BaseRunner.gradient", "gradients of twice their size", "L2-leaky-gradients", "gradients")
def gradient(sound, tensors, update, batch):
    loss, found = sound(tensors, update, batch)
    return loss, {name: 2 * each for name, each in found.items()}


# ---- what it may do in a way of its own -----------------------------------------------------------------------------


@spoils("BaseRunner.train", "a step at another learning rate", "L3-leaky-substeps", "displacement")
def train(sound, batches, stage):
    rate = 1.01 * stage.adam.learning_rate
    return sound(batches, stage._replace(adam=stage.adam.model_copy(update={"learning_rate": rate})))


@spoils("BaseRunner.differentiate", "a loss of another update's", "L1-leaky-values", "losses")
def differentiate(sound, update, batch):
    loss, found = sound(update, batch)
    return -loss, found


@spoils("BaseRunner.evaluate", "w of twice its size for the mean of w", "L3-style-only", "w_mean")
def evaluate(sound, tensors, fn, update, batch):
    return 2 * sound(tensors, fn, update, batch)


@spoils("BaseRunner.reduce", "means of two devices added, not averaged", "L3-leaky-substeps", "moments")
def reduce(sound, means):
    return {name: 2 * mean for name, mean in sound(means).items()}


@spoils("BaseRunner.apply", "F takes no steps", "L3-leaky-substeps", "displacement")
def apply(sound, tensors, choice, adam, gradients):
    sound(tensors, choice, adam, {name: each for name, each in gradients.items() if name[0] != "F"})


@spoils("BaseRunner.average", "averages forget twice as fast", "L3-leaky-only", "averages")
def average(sound, tensors, decay):
    sound(tensors, decay**2)


@spoils("BaseRunner.write", "a new mean of w is not written", "L3-style-only", "w_mean")
def write(sound, tensors, values):
    sound(tensors, {name: value for name, value in values.items() if name != "w_mean"})


@spoils("BaseRunner.clear", "Adam goes on from level to level", "L3-style-growth", "counts")
def clear(sound, names):
    pass


@spoils("BaseRunner.draw_noise", "uniform noise of mean 0 and variance 1", "L0-style-noise", "noise")
def draw_noise(sound, count, key):
    return (keras.random.uniform((count,), seed=key) - 0.5) * 12**0.5


@spoils("BaseRunner.trained_weights", "biases are not trained", "L2-leaky-gradients", "gradients")
def trained(sound, update, batch):
    return [name for name in sound(update, batch) if not name.endswith("bias")]
