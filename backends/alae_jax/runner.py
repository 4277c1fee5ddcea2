"""ALAE's training step as one jitted JAX function over a dictionary of arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alae_core.backend import Backend
from alae_core.growth import Rates, Stage
from alae_core.model import Alae
from alae_core.runner import BaseRunner
from alae_core.updates import Batch, Update
from alae_core.walk import walk

Tensors = dict[str, jax.Array]


def input_gradient(fn: Callable[[jax.Array], jax.Array], x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """See `Framework.input_gradient`."""
    value, pull_back = jax.vjp(fn, x)
    return value, pull_back(jnp.ones_like(value))[0]


def compile_function(fn: Callable[..., Any]) -> Callable[..., Any]:
    """See `Framework.compile`."""
    return jax.jit(fn)


class JaxRunner(BaseRunner[jax.Array]):
    """See `alae_core.Runner`."""

    def __init__(self, backend: Backend, model: Alae) -> None:
        self._step = jax.jit(self._walk, donate_argnums=0, static_argnums=2)
        self._differentiate = jax.jit(
            lambda tensors, name, batch: self.gradient(tensors, model.update(name), batch), static_argnums=1
        )
        super().__init__(backend, model)

    def to_device(self, array: np.ndarray) -> jax.Array:
        # Copied first: an array on the CPU "device" may alias NumPy's memory, which donation would overwrite, and JAX
        # may make its own copy only after the caller has changed the array.
        return jnp.asarray(np.array(array))

    def to_numpy(self, tensor: jax.Array) -> np.ndarray:
        # Copied, because the next step donates the buffer.
        array = np.array(tensor)
        return array.astype(np.int64) if array.dtype == np.int32 else array

    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.tensors = {name: self.to_device(array) for name, array in arrays.items()}
        self._share()

    def train(self, batches: Mapping[str, Batch], stage: Stage, rates: Rates) -> dict[str, Any]:
        self.tensors, losses = self._step(self.tensors, batches, stage, rates)
        self._share()
        return losses

    def differentiate(self, update: Update, batch: Batch) -> tuple[jax.Array, Tensors]:
        return self._differentiate(self.tensors, update.name, batch)

    def gradient(self, tensors: Tensors, update: Update, batch: Batch) -> tuple[jax.Array, Tensors]:
        def loss(trained: Tensors) -> jax.Array:
            with self.networks.use_weights(tensors | {f"weights/{name}": weight for name, weight in trained.items()}):
                return update.loss(self.networks, batch, input_gradient)

        return jax.value_and_grad(loss)(
            {name: tensors[f"weights/{name}"] for name in self.trained_weights(update, batch)}
        )

    def _walk(
        self, tensors: Tensors, batches: Mapping[str, Batch], stage: Stage, rates: Rates
    ) -> tuple[Tensors, Tensors]:
        tensors = {**tensors}
        losses = walk(self, tensors, batches, stage, rates)
        return tensors, losses

    def _share(self) -> None:
        # Not `assign`, which would check and convert every array at every step.
        for name, variable in self.model.state_variables.items():
            variable._direct_assign(self.tensors[name])
