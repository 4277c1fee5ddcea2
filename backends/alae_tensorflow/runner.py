"""ALAE's training step as one `tf.function` over TensorFlow variables."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from alae_core.config import Adam, Config
from alae_core.growth import Stage
from alae_core.model import Alae
from alae_core.optimizer import mean_step
from alae_core.runner import BaseRunner
from alae_core.state import moment_name
from alae_core.updates import Batch, Update


def input_gradient(fn: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """See `Backend.input_gradient`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        value = fn(x)
    return value, tape.gradient(value, x)


class TensorflowRunner(BaseRunner[tf.Tensor]):
    """See `alae_core.Runner`."""

    def __init__(self, alae: Alae, config: Config, *, seed: int = 0) -> None:
        self._steps: dict[Stage, Callable[[Mapping[str, Batch]], dict[str, tf.Tensor]]] = {}
        self._differentiate = tf.function(self._value_and_gradient, autograph=False)
        super().__init__(alae, config, seed=seed)

    def to_device(self, array: np.ndarray) -> tf.Tensor:
        return tf.constant(array)

    def to_numpy(self, tensor: tf.Tensor) -> np.ndarray:
        # A copy, because the next step writes into the variable's memory.
        return np.array(tensor)

    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        if not self.tensors:
            # The model's weights are trained in place; the rest of the state is the runner's own.
            weights = {f"weights/{name}": variable.value for name, variable in self.alae.variables.items()}
            self.tensors = {
                name: weights[name] if name in weights else tf.Variable(array) for name, array in arrays.items()
            }
        for name, array in arrays.items():
            self.tensors[name].assign(array)

    def train(self, batches: Mapping[str, Batch], stage: Stage) -> dict[str, Any]:
        if stage not in self._steps:
            # XLA fuses what TensorFlow's kernels would each read and write in turn: a fifth faster on mnist-mlp.
            self._steps[stage] = tf.function(partial(self._train, stage), jit_compile=True, autograph=False)
        return self._steps[stage](batches)

    def differentiate(self, update: Update, batch: Batch) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        return self._differentiate(update.name, batch)

    def _train(self, stage: Stage, batches: Mapping[str, Batch]) -> dict[str, tf.Tensor]:
        losses = {}
        for update in self.chosen(batches):
            batch = batches[update.name]
            if "w_mean" in self.tensors:
                mean = self.tensors["w_mean"]
                mean.assign(mean_step(self.alae, mean, batch.z))
            losses[update.name], gradients = self._value_and_gradient(update.name, batch)
            for network, adam in update.trains.items():
                self.tensors[f"adam/{adam}/{network}/t"].assign_add(1)
            for name, adam in self.trained(update, batch).items():
                self._adam_step(stage.adam, name, adam, gradients[name] / self.alae.scales[name])
        for name in self.alae.variables:
            average = self.tensors[f"averages/{name}"]
            average.assign_add((1 - stage.average_decay) * (self.tensors[f"weights/{name}"] - average))
        return losses

    def _adam_step(self, choice: Adam, name: str, adam: str, gradient: tf.Tensor) -> None:
        # TensorFlow's own kernel for the arithmetic of `alae_core.optimizer.adam_step`, in place.
        t = tf.cast(self.tensors[f"adam/{adam}/{name.split('/', 1)[0]}/t"], self.config.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=self.tensors[f"weights/{name}"].handle,
            m=self.tensors[moment_name(adam, "m", name)].handle,
            v=self.tensors[moment_name(adam, "v", name)].handle,
            beta1_power=choice.beta1**t,
            beta2_power=choice.beta2**t,
            lr=choice.learning_rate * (1 - choice.warmup**t),
            beta1=choice.beta1,
            beta2=choice.beta2,
            epsilon=choice.epsilon,
            grad=gradient,
        )

    def _value_and_gradient(self, update_name: str, batch: Batch) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        update = self.named(update_name)
        weights = {name: self.tensors[f"weights/{name}"] for name in self.trained(update, batch)}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(weights.values()))
            loss = update.loss(self.alae, batch, input_gradient)
        return loss, tape.gradient(loss, weights)
