"""ALAE's training step as one `tf.function` over TensorFlow variables."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import tensorflow as tf

from alae_core.framework import structure
from alae_core.groups import Adam
from alae_core.growth import Rates, Stage
from alae_core.model import Alae
from alae_core.networks.family import Family
from alae_core.placement import divide
from alae_core.runner import BaseRunner
from alae_core.shares import Share
from alae_core.state import count_name, moment_name
from alae_core.updates import Batch, Update
from alae_core.walk import walk
from alae_tensorflow import TensorflowBackend
from alae_tensorflow.peers import Parts

Tensors = dict[str, Any]


def input_gradient(fn: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """See `Framework.input_gradient`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        value = fn(x)
    return value, tape.gradient(value, x)


class TensorflowRunner(BaseRunner[tf.Tensor]):
    """See `alae_core.Runner`. The state's tensors are variables; its weights are the model's own variables."""

    def __init__(self, backend: TensorflowBackend, model: Alae) -> None:
        self._peers = backend.peers
        if self._peers:
            self.share = Share(self._peers.rank, self._peers.processes, is_separate=True)
        self._changes: list[Callable[[], None]] = []
        self._steps: dict[Stage, Callable[..., dict[str, tf.Tensor]]] = {}
        self._dividers: dict[Hashable, Callable[..., list[tf.Tensor]]] = {}
        self._differentiate = tf.function(
            lambda name, batch: self.gradient(self.tensors, model.update(name), batch), autograph=False
        )
        super().__init__(backend, model)

    def to_device(self, array: np.ndarray) -> tf.Tensor:
        return tf.constant(array)

    def _divide_noise(self, numbers: tf.Tensor, shapes: tuple[tuple[int, ...], ...]) -> list[tf.Tensor]:
        if shapes not in self._dividers:
            self._dividers[shapes] = compile_function(lambda numbers: divide(numbers, shapes))
        return self._dividers[shapes](numbers)

    def to_numpy(self, tensor: tf.Tensor) -> np.ndarray:
        # Copied, because the next step writes into the variable's memory.
        return np.array(tensor)

    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        if not self.tensors:
            held = self.model.state_variables
            self.tensors = {
                name: held[name].value if name in held else tf.Variable(array) for name, array in arrays.items()
            }
        self.write(self.tensors, arrays)

    def write(self, tensors: Tensors, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            tensors[name].assign(value)

    def train(self, batches: Mapping[str, Batch], stage: Stage, rates: Rates) -> dict[str, Any]:
        if stage not in self._steps:

            def step(batches: Mapping[str, Batch], rates: Rates) -> dict[str, tf.Tensor]:
                self._changes.clear()
                losses = walk(self, self.tensors, batches, stage, rates)
                if self._peers:
                    _fuse(self._make_changes)
                return losses

            # XLA fuses kernels that would each read and write memory: 20 % faster on mnist-mlp. It cannot compile an
            # exchange between processes, so then it compiles each part of the step between two exchanges.
            self._steps[stage] = compile_function(step, fuse=not self._peers)
        with self._peers.naming_lost() if self._peers else nullcontext():
            return self._steps[stage](batches, self._to_tensors(rates))

    def differentiate(self, update: Update, batch: Batch) -> tuple[tf.Tensor, Tensors]:
        return self._differentiate(update.name, batch)

    def evaluate(self, tensors: Tensors, fn: Callable[[Family, Batch], Any], update: Update, batch: Batch) -> tf.Tensor:
        return fn(self.networks, batch)

    def gradient(self, tensors: Tensors, update: Update, batch: Batch) -> tuple[tf.Tensor, Tensors]:
        weights = {name: tensors[f"weights/{name}"] for name in self.trained_weights(update, batch)}

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(weights.values()))
            loss = update.loss(self.networks, batch, input_gradient)
        return loss, tape.gradient(loss, weights)

    def compute(self, fn: Callable[[], Tensors]) -> Mapping[str, tf.Tensor]:
        if not self._peers:
            return fn()
        shapes: dict[str, tf.TensorShape] = {}

        def join() -> tf.Tensor:
            self._make_changes()
            means = Parts.join(fn())
            shapes.update(means.shapes)
            return means.flat

        return Parts(_fuse(join), shapes)

    def change(self, fn: Callable[[], None]) -> None:
        # Compiled with what follows it, because each call of a compiled function takes time.
        if self._peers:
            self._changes.append(fn)
        else:
            fn()

    def _make_changes(self) -> None:
        while self._changes:
            self._changes.pop(0)()

    def reduce(self, means: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        return self._peers.mean(means) if self._peers else means

    def add_passes(self, compute: Callable[[Any], Tensors], passes: int) -> Tensors:
        # Traced once more for the shapes of the sums, with which a loop must start.
        shapes = tf.function(compute, autograph=False).get_concrete_function(tf.constant(0)).structured_outputs

        def add(k: tf.Tensor, sums: Tensors) -> tuple[tf.Tensor, Tensors]:
            return k + 1, {name: sums[name] + each for name, each in compute(k).items()}

        start = tf.constant(0), {name: tf.zeros(each.shape, each.dtype) for name, each in shapes.items()}
        return tf.while_loop(lambda k, sums: k < passes, add, start, maximum_iterations=passes)[1]

    def apply(self, tensors: Tensors, choice: Adam, adam: str, gradients: Mapping[str, tf.Tensor]) -> None:
        if not gradients:
            return
        t = tf.cast(tensors[count_name(adam, next(iter(gradients)))].assign_add(1), self.config.dtype)
        for name, gradient in gradients.items():
            # TensorFlow's fused kernel for `alae_core.optimizer.adam_step`, in place.
            tf.raw_ops.ResourceApplyAdam(
                var=tensors[f"weights/{name}"].handle,
                m=tensors[moment_name(adam, "m", name)].handle,
                v=tensors[moment_name(adam, "v", name)].handle,
                beta1_power=choice.beta1**t,
                beta2_power=choice.beta2**t,
                lr=choice.learning_rate * (1 - choice.warmup**t),
                beta1=choice.beta1,
                beta2=choice.beta2,
                epsilon=choice.epsilon,
                grad=gradient,
            )


def _fuse(fn: Callable[[], Any]) -> Any:
    return tf.function(fn, jit_compile=True, autograph=False)()


def compile_function(fn: Callable[..., Any], fuse: bool | None = None) -> Callable[..., Any]:
    """See `Framework.compile`: one graph for each structure of the arguments, with `fuse` compiled by XLA."""
    graphs: dict[Hashable, Callable[..., Any]] = {}

    def call(*arguments: Any) -> Any:
        key = structure(arguments)
        if key not in graphs:
            # Concrete functions, because TensorFlow warns about a function that is called with many shapes, and finds
            # the graph of a call in more than a millisecond.
            graphs[key] = tf.function(fn, jit_compile=fuse, autograph=False).get_concrete_function(*arguments)
        return graphs[key](*arguments)

    return call
