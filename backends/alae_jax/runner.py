"""ALAE's training step as one jitted JAX function over a dictionary of arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from alae_core.growth import Rates, Stage
from alae_core.model import Alae
from alae_core.placement import divide
from alae_core.runner import BaseRunner
from alae_core.shares import Share
from alae_core.updates import Batch, Update
from alae_core.walk import walk
from alae_jax import JaxBackend

Tensors = dict[str, jax.Array]

_divide = jax.jit(divide, static_argnums=1)


def input_gradient(fn: Callable[[jax.Array], jax.Array], x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """See `Framework.input_gradient`."""
    value, pull_back = jax.vjp(fn, x)
    return value, pull_back(jnp.ones_like(value))[0]


def compile_function(fn: Callable[..., Any], mesh: Mesh | None = None) -> Callable[..., Any]:
    """See `Framework.compile`; the devices of `mesh` share the rows, if their number divides."""
    compiled = jax.jit(fn)
    if mesh is None:
        return compiled
    everywhere, by_row = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("rows"))

    def call(constants: Any, *rows: Any) -> Any:
        count = len(rows[0])

        def place(array: jax.Array) -> jax.Array:
            return jax.device_put(array, by_row if len(array) == count and count % mesh.size == 0 else everywhere)

        return compiled(jax.device_put(constants, everywhere), *jax.tree.map(place, rows))

    return call


class JaxRunner(BaseRunner[jax.Array]):
    """See `alae_core.Runner`."""

    def __init__(self, backend: JaxBackend, model: Alae) -> None:
        self._everywhere, self._by_row = None, None
        if backend.mesh is not None:
            self._everywhere = NamedSharding(backend.mesh, PartitionSpec())
            self._by_row = NamedSharding(backend.mesh, PartitionSpec("rows"))
            self.share = Share(jax.process_index(), jax.process_count())
        self._step = jax.jit(self._walk, donate_argnums=0, static_argnums=2, out_shardings=self._everywhere)
        self._differentiate = jax.jit(
            lambda tensors, name, batch: self.gradient(tensors, model.update(name), batch), static_argnums=1
        )
        super().__init__(backend, model)

    def to_device(self, array: np.ndarray) -> jax.Array:
        # Copied first: an array on the CPU "device" may alias NumPy's memory, which donation would overwrite, and JAX
        # may make its own copy only after the caller has changed the array.
        if self._everywhere is None:
            return jnp.asarray(np.array(array))
        # A copy for each device.
        return jax.make_array_from_callback(array.shape, self._everywhere, lambda index: np.array(array[index]))

    def rows_to_device(self, array: np.ndarray) -> jax.Array:
        if self._by_row is None:
            return self.to_device(array)
        return jax.make_array_from_process_local_data(self._by_row, np.array(array))

    def _divide_noise(self, numbers: jax.Array, shapes: tuple[tuple[int, ...], ...]) -> list[jax.Array]:
        return _divide(numbers, shapes)

    def share_noise(self, maps: list[jax.Array]) -> list[jax.Array]:
        if self._everywhere is None or self._by_row is None:
            return maps
        # From device to device, without waiting.
        everywhere, (first, *others) = self._everywhere, super().share_noise(maps)
        return [
            jax.make_array_from_callback(first.shape, everywhere, lambda index: first[index]),
            *(jax.make_array_from_process_local_data(self._by_row, each) for each in others),
        ]

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

    def add_passes(self, compute: Callable[[Any], Tensors], passes: int) -> Tensors:
        def add(sums: Tensors, k: jax.Array) -> tuple[Tensors, None]:
            return jax.tree.map(jnp.add, sums, compute(k)), None

        zeros = jax.tree.map(lambda each: jnp.zeros(each.shape, each.dtype), jax.eval_shape(compute, 0))
        return jax.lax.scan(add, zeros, jnp.arange(passes))[0]

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
