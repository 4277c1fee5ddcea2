"""A faulty replacement for each method of the contract and of models, on the framework of the tests."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from alae_conformance.subjects.backend import BackendSubject
from alae_conformance.tolerances import Lane
from alae_core.backend import Backend, Losses, Runner
from alae_core.framework import Framework
from alae_core.model import Alae
from alae_core.placement import BatchPlacer
from alae_core.runner import BaseRunner


class ContractFault(NamedTuple):
    """A faulty member of a backend, and the check of a case that must fail on it."""

    member: str
    fault: str
    case: str
    check: str
    wrap: Callable[..., Any]
    lane: Lane = "float32"


CONTRACT_FAULTS: list[ContractFault] = []


def replaces(member, fault, case, check, lane="float32"):
    """Register a function that replaces a member, and gets the correct one as its first argument."""

    def register(wrap):
        CONTRACT_FAULTS.append(ContractFault(member, fault, case, check, wrap, lane))
        return wrap

    return register


def methods():
    """Return every public method of the contract and of models, and those that `BaseRunner` adds for backends."""
    contract = [("Backend", {**vars(Framework), **vars(Backend)}), ("Runner", vars(Runner)), ("Alae", vars(Alae))]
    hooks = {**vars(BatchPlacer), **vars(BaseRunner)}.items()
    hooks = {name: value for name, value in hooks if name not in vars(Runner)}
    return {
        f"{owner}.{name}"
        for owner, members in (*contract, ("BaseRunner", hooks))
        for name, value in members.items()
        if callable(value) and not name.startswith("_")
    }


def open_subject(lane, fault=None):
    """Return the backend of this process's framework as a subject in a lane, with or without a fault."""
    owner, _, name = ("", "", "") if fault is None else fault.member.partition(".")
    if owner == "Alae":
        return FaultyModels(name, fault.wrap)
    made = BackendSubject(keras.backend.backend(), lane)
    if fault is None:
        return made
    if owner == "Backend":
        _replace(made.backend, name, fault.wrap)
        return made
    sound = made.backend.runner

    def runner(model, microbatch=None):
        run = sound(model, microbatch)
        _replace(run, name, fault.wrap)
        return run

    made.backend.runner = runner
    return made


#: methods that no fault replaces
UNREPLACED = {
    # Other methods of a model use it to refuse images, so a fault in it makes them raise errors.
    "Alae.image_shape",
    # On one device these change nothing; faulty_backends.py has faults of them on two.
    *("BaseRunner.put_whole", "BaseRunner.count_whole", "BaseRunner.share_noise"),
}

#: runs by configuration, which all faults of models share, because compiling takes long
OPENED = {}


class FaultyModels(BackendSubject):
    """A backend whose models have a faulty method."""

    def __init__(self, name, wrap):
        super().__init__(keras.backend.backend(), "float32")
        self.name, self.wrap, self._opened = name, wrap, OPENED

    def open(self, config, **options):
        super().open(config, **options)
        for name in vars(Alae).keys() & vars(self.looked).keys():
            delattr(self.looked, name)
        _replace(self.looked, self.name, self.wrap)

    def open_checkpoint(self, path, averaged):
        super().open_checkpoint(path, averaged)
        _replace(self.looked, self.name, self.wrap)


def _replace(thing, name, wrap):
    sound = getattr(thing, name)
    setattr(thing, name, partial(wrap, sound) if callable(sound) else wrap(sound))


# ---- the backend ----------------------------------------------------------------------------------------------------


@replaces("Backend.keras_backend", "declares a framework that Keras does not run on", "L0-leaky-contract", "identity")
def keras_backend(sound):
    return "numpy"


@replaces("Backend.device", "names no device in use", "L0-leaky-contract", "identity")
def device(sound):
    return ""


@replaces("Backend.versions", "omits the version of Keras", "L0-leaky-contract", "identity")
def versions(sound):
    return {name: version for name, version in sound().items() if name != "keras"}


@replaces("Backend.devices", "lists no device", "L0-leaky-contract", "identity")
def devices(sound):
    return []


@replaces("Backend.input_gradient", "the gradient of the mean instead of the sum", "L1-leaky-values", "input_gradient")
def input_gradient(sound, fn, x):
    value, gradient = sound(fn, x)
    return value, gradient / len(x)


@replaces("Backend.compile", "compiled functions compute in half precision", "L1-leaky-values", "forward")
def compile_(sound, fn):
    compiled = sound(fn)
    return lambda *arguments: ops.cast(ops.cast(compiled(*arguments), "float16"), "float32")


@replaces("Backend.runner", "a run starts from zeros instead of the model's weights", "L0-leaky-initial", "initial")
def runner(sound, model):
    run = sound(model)
    run.load({name: np.zeros_like(array) for name, array in run.state().items()})
    return run


# ---- the runner -----------------------------------------------------------------------------------------------------


@replaces("Runner.put", "loses the labels of a batch", "L3-labels-fed", "trajectory")
def put(sound, images, labels=None):
    return sound(images, None if labels is None else np.zeros_like(labels))


@replaces("Runner.step", "one update alone does not move the averages", "L3-leaky-only", "averages")
def step(sound, images, *, only=None, **options):
    run = sound.__self__
    before = {name: array for name, array in run.state().items() if name.startswith("averages/")}
    losses = sound(images, only=only, **options)
    if only is not None:
        run.load({**run.state(), **before})
    return losses


@replaces("Runner.losses", "losses are 1 % too large", "L1-leaky-values", "losses")
def losses(sound, *arguments, **options):
    return Losses({name: 1.01 * loss for name, loss in sound(*arguments, **options).items()})


@replaces("Runner.gradients", "gradients are half as large", "L2-leaky-gradients", "gradients")
def gradients(sound, *arguments, **options):
    return {name: gradient / 2 for name, gradient in sound(*arguments, **options).items()}


@replaces("Runner.draws", "all updates have the same z", "L0-leaky-contract", "draws")
def draws(sound, step, count):
    found = sound(step, count)
    return dict.fromkeys(found, next(iter(found.values())))


@replaces("Runner.noise", "every image has the same noise", "L0-style-noise", "noise")
def noise(sound, step, count):
    return {update: [map[:1].repeat(len(map), 0) for map in maps] for update, maps in sound(step, count).items()}


@replaces("Runner.weights", "returns weights instead of averages", "L0-leaky-contract", "by_name")
def weights(sound, averaged=False):
    return sound()


@replaces("Runner.state", "returns half precision", "L0-leaky-contract", "dtypes")
def state(sound):
    return {name: array.astype(np.float16) if array.dtype.kind == "f" else array for name, array in sound().items()}


@replaces("Runner.load", "loads the part of a state that fits", "L0-leaky-contract", "refuses")
def load(sound, state):
    known = sound.__self__.state()
    sound(known | {name: state[name] for name in state if name in known and state[name].shape == known[name].shape})


# ---- methods that a framework must implement ------------------------------------------------------------------------


@replaces("BaseRunner.to_device", "clips floats to [-1, 1]", "L3-labels-fed", "trajectory")
def to_device(sound, array):
    return sound(np.clip(array, -1, 1) if array.dtype.kind == "f" else array)


@replaces("BaseRunner.rows_to_device", "clips floats to [-1, 1]", "L3-labels-fed", "trajectory")
def rows_to_device(sound, array):
    return sound(np.clip(array, -1, 1) if array.dtype.kind == "f" else array)


@replaces("BaseRunner.to_numpy", "rounds to half precision", "L0-leaky-contract", "by_name")
def to_numpy(sound, tensor):
    array = sound(tensor)
    return array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array


@replaces("BaseRunner.place", "does not load averages", "L0-leaky-contract", "by_name")
def place(sound, arrays):
    run = sound.__self__
    averages = {name: run.to_numpy(run.tensors[name]) for name in arrays if name.startswith("averages/")}
    sound({**arrays, **averages})


@replaces("BaseRunner.gradient", "gradients are twice too large", "L2-leaky-gradients", "gradients")
def gradient(sound, tensors, update, batch):
    loss, found = sound(tensors, update, batch)
    return loss, {name: 2 * each for name, each in found.items()}


# ---- optional overrides ---------------------------------------------------------------------------------------------


@replaces("BaseRunner.train", "the learning rate is 1 % too large", "L3-leaky-substeps", "displacement")
def train(sound, batches, stage, rates):
    rate = 1.01 * stage.adam.learning_rate
    return sound(batches, stage._replace(adam=stage.adam.model_copy(update={"learning_rate": rate})), rates)


@replaces("BaseRunner.differentiate", "a loss has the wrong sign", "L1-leaky-values", "losses")
def differentiate(sound, update, batch):
    loss, found = sound(update, batch)
    return -loss, found


@replaces("BaseRunner.evaluate", "the mean of w is twice too large", "L3-style-only", "w_mean")
def evaluate(sound, tensors, fn, update, batch):
    return 2 * sound(tensors, fn, update, batch)


@replaces("BaseRunner.add_passes", "omits the last pass", "L3-leaky-run", "displacement", "microbatch")
def add_passes(sound, compute, passes):
    return sound(compute, passes - 1)


@replaces("BaseRunner.compute", "the means of a step are half as large", "L3-leaky-substeps", "moments")
def compute(sound, fn):
    return {name: mean / 2 for name, mean in sound(fn).items()}


@replaces("BaseRunner.change", "weights and averages change twice", "L3-leaky-substeps", "displacement")
def change(sound, fn):
    sound(fn)
    sound(fn)


@replaces("BaseRunner.reduce", "adds the means of two devices instead of averaging", "L3-leaky-substeps", "moments")
def reduce(sound, means):
    return {name: 2 * mean for name, mean in sound(means).items()}


@replaces("BaseRunner.apply", "F is not trained", "L3-leaky-substeps", "displacement")
def apply(sound, tensors, choice, adam, gradients):
    sound(tensors, choice, adam, {name: each for name, each in gradients.items() if name[0] != "F"})


@replaces("BaseRunner.average", "averages decay twice as fast", "L3-leaky-only", "averages")
def average(sound, tensors, decay):
    sound(tensors, decay**2)


@replaces("BaseRunner.write", "does not write the mean of w", "L3-style-only", "w_mean")
def write(sound, tensors, values):
    sound(tensors, {name: value for name, value in values.items() if name != "w_mean"})


@replaces("BaseRunner.clear", "Adam's state is not reset at a new level", "L3-style-growth", "counts")
def clear(sound, names):
    pass


@replaces("BaseRunner.draw_noise", "noise is uniform, with mean 0 and variance 1", "L0-style-noise", "noise")
def draw_noise(sound, count, key):
    return (keras.random.uniform((count,), seed=key) - 0.5) * 12**0.5


@replaces("BaseRunner.trained_weights", "biases are not trained", "L2-leaky-gradients", "gradients")
def trained_weights(sound, update, batch):
    return [name for name in sound(update, batch) if not name.endswith("bias")]


# ---- models ---------------------------------------------------------------------------------------------------------


def looked_at(member, fault, case="L1-labels-looking", check="looking"):
    """Register a fault of a method of models."""
    return replaces(f"Alae.{member}", fault, case, check)


@looked_at("has", "models have networks of any name", check="exact")
def has(sound, networks):
    return True


@looked_at("update", "returns the first update", check="exact")
def update(sound, name):
    return sound.__self__.updates[0]


@looked_at("sample_prior", "z does not depend on the seed", check="exact")
def sample_prior(sound, count, seed=0):
    return sound(count)


@looked_at("sample_noise", "noise does not depend on the seed", "L1-looked-looking", "exact")
def sample_noise(sound, count, seed=0, view=None):
    return sound(count, 0, view)


@looked_at("map", "z is 0.1 % too large")
def map_(sound, z, **options):
    return sound(1.001 * z, **options)


@looked_at("truncate", "ignores ψ", "L1-looked-checkpoint")
def truncate(sound, w, psi=None):
    return sound(w, 1.0)


@looked_at("generate", "clips images to [−1, 1]")
def generate(sound, w, view=None, **options):
    return np.clip(sound(w, view, **options), -1, 1)


@looked_at("encode", "bytes are read in another range")
def encode(sound, x, view=None, **options):
    return sound(x / np.float32(128) - 1 if x.dtype == np.uint8 else x, view, **options)


@looked_at("hidden", "returns E's output")
def hidden(sound, x, view=None, **options):
    return sound.__self__.encode(x, view, **options)


@looked_at("discriminate", "returns probabilities instead of logits")
def discriminate(sound, codes, view=None, **options):
    return (1 + np.tanh(sound(codes, view, **options) / 2)) / 2


@looked_at("reconstruct", "labels of all images are those of the first")
def reconstruct(sound, x, view=None, *, labels=None, **options):
    return sound(x, view, labels=np.full_like(labels, labels[0]), **options)


@looked_at("reencode", "returns w itself")
def reencode(sound, w, view=None, **options):
    return w.astype(np.float32)


@looked_at("w_of", "the last image is replaced by the first")
def w_of(sound, x, view=None, **options):
    found = sound(x, view, **options)
    return np.concatenate([found[:-1], found[:1]])


@looked_at("as_seen", "bytes stay bytes")
def as_seen(sound, images, view=None):
    return images if images.dtype == np.uint8 else sound(images, view)


@looked_at("chunks", "leaves out the last, incomplete slice", check="exact")
def chunks(sound, count, view=None):
    return (part for part in sound(count, view) if part.stop - part.start == 512)


@looked_at("batch_size", "one batch has all images", check="exact")
def batch_size(sound, view=None):
    return 2**20


@looked_at("weights", "weights are 0.1 % too large", "L1-labels-checkpoint")
def model_weights(sound):
    return {name: np.float32(1.001) * array for name, array in sound().items()}


@looked_at("mean_of_w", "returns zeros", "L1-looked-checkpoint", "looking")
def mean_of_w(sound):
    return 0 * sound()


@looked_at("set_weights", "replaces kernels only", "L1-labels-checkpoint")
def set_weights(sound, weights):
    old = sound.__self__.weights()
    sound({name: weights[name] if name.endswith("kernel") else old[name] for name in old})
