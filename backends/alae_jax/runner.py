"""ALAE's training step as one jitted JAX function over a dictionary of arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from alae_core.config import Config
from alae_core.growth import Stage
from alae_core.model import Alae
from alae_core.optimizer import adam_step, average_step, mean_step
from alae_core.runner import BaseRunner
from alae_core.state import moment_name
from alae_core.updates import Batch, Update

Tensors = dict[str, jax.Array]


def input_gradient(fn: Callable[[jax.Array], jax.Array], x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """See `Backend.input_gradient`."""
    value, pull_back = jax.vjp(fn, x)
    return value, pull_back(jnp.ones_like(value))[0]


class JaxRunner(BaseRunner[jax.Array]):
    """See `alae_core.Runner`."""

    def __init__(self, alae: Alae, config: Config, *, seed: int = 0) -> None:
        self._step = jax.jit(self._train, donate_argnums=0, static_argnums=2)
        self._differentiate = jax.jit(self._value_and_gradient, static_argnums=0)
        super().__init__(alae, config, seed=seed)

    def to_device(self, array: np.ndarray) -> jax.Array:
        # A CPU "device" array may alias NumPy's memory, and donation would then write into the caller's.
        return jnp.array(array, copy=True)

    def to_numpy(self, tensor: jax.Array) -> np.ndarray:
        # A copy, because the next step donates the buffer.
        array = np.array(tensor)
        return array.astype(np.int64) if array.dtype == np.int32 else array

    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.tensors = {name: self.to_device(array) for name, array in arrays.items()}
        self._show()

    def train(self, batches: Mapping[str, Batch], stage: Stage) -> dict[str, Any]:
        self.tensors, losses = self._step(self.tensors, batches, stage)
        self._show()
        return losses

    def differentiate(self, update: Update, batch: Batch) -> tuple[jax.Array, Tensors]:
        return self._differentiate(update.name, self.tensors, batch)

    def _show(self) -> None:
        # Keras' own assign would check and convert every array at every step; these are its variables' very values.
        for name, variable in self.alae.variables.items():
            variable._direct_assign(self.tensors[f"weights/{name}"])

    def _train(self, tensors: Tensors, batches: Mapping[str, Batch], stage: Stage) -> tuple[Tensors, Tensors]:
        tensors, losses = {**tensors}, {}
        for update in self.chosen(batches):
            batch = batches[update.name]
            if "w_mean" in tensors:
                with self._weights_of(tensors):
                    tensors["w_mean"] = mean_step(self.alae, tensors["w_mean"], batch.z)
            losses[update.name], gradients = self._value_and_gradient(update.name, tensors, batch)
            for network, adam in update.trains.items():
                tensors[f"adam/{adam}/{network}/t"] += 1
            for name, adam in self.trained(update, batch).items():
                where = (f"weights/{name}", moment_name(adam, "m", name), moment_name(adam, "v", name))
                t = tensors[f"adam/{adam}/{name.split('/', 1)[0]}/t"].astype(self.config.dtype)
                value, m, v = (tensors[key] for key in where)
                gradient = gradients[name] / self.alae.scales[name]
                tensors |= zip(where, adam_step(stage.adam, value, gradient, m, v, t), strict=True)
        for name in self.alae.variables:
            average, weight = tensors[f"averages/{name}"], tensors[f"weights/{name}"]
            tensors[f"averages/{name}"] = average_step(stage.average_decay, average, weight)
        return tensors, losses

    def _value_and_gradient(self, update_name: str, tensors: Tensors, batch: Batch) -> tuple[jax.Array, Tensors]:
        update = self.named(update_name)

        def loss(trained: Tensors) -> jax.Array:
            with self._weights_of(tensors | {f"weights/{name}": weight for name, weight in trained.items()}):
                return update.loss(self.alae, batch, input_gradient)

        return jax.value_and_grad(loss)({name: tensors[f"weights/{name}"] for name in self.trained(update, batch)})

    def _weights_of(self, tensors: Tensors) -> keras.StatelessScope:
        variables = self.alae.variables.items()
        return keras.StatelessScope([(variable, tensors[f"weights/{name}"]) for name, variable in variables])
