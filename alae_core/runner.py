"""What a training run does in every framework: a base class that leaves plug-ins the framework's own part."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import accumulate, pairwise
from math import prod
from typing import Any, Generic, TypeVar

import keras
import numpy as np
from keras import ops

from alae_core import state
from alae_core.backend import Losses
from alae_core.config import Config
from alae_core.growth import Stage, position, real_images
from alae_core.latents import Draws, noise_shapes, stream
from alae_core.model import Alae
from alae_core.updates import Batch, Update, updates_of

Tensor = TypeVar("Tensor")


class BaseRunner(ABC, Generic[Tensor]):
    """A `Runner` whose state is `self.tensors`: the arrays of `alae_core.state`, by name, as the framework's tensors.

    A plug-in says how arrays reach the device and come back, how one training step runs, and how one update is
    differentiated. The count of steps stays on the host, in `self.step_count`. `__init__` loads the initial state: what
    these methods need must be set before it.
    """

    def __init__(self, alae: Alae, config: Config, *, seed: int = 0) -> None:
        self.alae, self.config, self.seed = alae, config, seed
        self.updates = updates_of(config)
        self.tensors: dict[str, Tensor] = {}
        self.load(state.initial_state(config, alae.weights(), alae.w_mean))

    @abstractmethod
    def to_device(self, array: np.ndarray) -> Tensor:
        """A copy of `array` on the device."""

    @abstractmethod
    def to_numpy(self, tensor: Tensor) -> np.ndarray:
        """A copy of `tensor` on the host."""

    @abstractmethod
    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Make `arrays` (all of the state but "step") the values of `self.tensors` and of the model's weights.

        The two must stay the same in training: let them share memory, or hand the model its weights after each step.
        """

    @abstractmethod
    def train(self, batches: Mapping[str, Batch], stage: Stage) -> dict[str, Any]:
        """Run each update that has a batch, in order, then the averages; return the losses as unread scalars.

        With a running mean of w in the state, each update first moves it by `alae_core.optimizer.mean_step`.
        """

    @abstractmethod
    def differentiate(self, update: Update, batch: Batch) -> tuple[Any, dict[str, Tensor]]:
        """The loss of one update and its gradient by trained weight, at the present weights; nothing moves."""

    def put(self, images: np.ndarray, labels: np.ndarray | None = None) -> Batch:
        """See `Runner.put`; the batch has no z yet."""
        one_hot = None if labels is None else self.to_device(self.alae.one_hot(labels))
        return Batch(self._floats(images), None, one_hot)

    def draw_noise(self, count: int, key: int) -> Tensor:
        """`count` numbers from N(0, 1), drawn on the device; `key` decides them."""
        return keras.random.normal((count,), dtype=self.config.dtype, seed=key)

    def step(
        self,
        images: Any,
        labels: np.ndarray | None = None,
        *,
        only: str | None = None,
        draws: Mapping[str, Draws] | None = None,
    ) -> Losses:
        """See `Runner.step`."""
        batch = images if isinstance(images, Batch) else self.put(images, labels)
        stage, blend, _, restarts = position(self.config, self.step_count)
        if restarts:
            self._restart_adam()
        if stage.lod is not None:
            batch = batch._replace(images=real_images(batch.images, stage.lod, blend))
        if draws is None:
            draws = state.draws(self.config, self.seed, self.step_count, len(batch.images))
        chosen = draws if only is None else {only: draws[only]}
        losses = self.train(self._with_draws(batch, chosen, blend), stage)
        self.step_count += 1
        return Losses(losses)

    def losses(
        self,
        images: np.ndarray,
        draws: Mapping[str, Draws],
        labels: np.ndarray | None = None,
        *,
        blend: float = 1.0,
    ) -> Losses:
        """See `Runner.losses`."""
        batches = self._with_draws(self.put(images, labels), draws, blend)
        return Losses({update.name: self.differentiate(update, batches[update.name])[0] for update in self.updates})

    def gradients(
        self,
        update: str,
        images: np.ndarray,
        draws: Mapping[str, Draws],
        labels: np.ndarray | None = None,
        *,
        blend: float = 1.0,
    ) -> dict[str, np.ndarray]:
        """See `Runner.gradients`."""
        batches = self._with_draws(self.put(images, labels), {update: draws[update]}, blend)
        _, gradients = self.differentiate(self.named(update), batches[update])
        return {name: self.to_numpy(gradient) for name, gradient in gradients.items()}

    def weights(self, averaged: bool = False) -> dict[str, np.ndarray]:
        """See `Runner.weights`."""
        group = "averages" if averaged else "weights"
        return {name: self.to_numpy(self.tensors[f"{group}/{name}"]) for name in self.alae.variables}

    def state(self) -> dict[str, np.ndarray]:
        """See `Runner.state`."""
        arrays = {name: self.to_numpy(tensor) for name, tensor in self.tensors.items()}
        return {"step": np.asarray(self.step_count, np.int64), **arrays}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See `Runner.load`."""
        state.require_state(self.alae, self.config, arrays)
        self.step_count = int(arrays["step"])
        # Another run's precision may have been another.
        dtypes = {name: np.int64 if name.endswith("/t") else self.config.dtype for name in arrays if name != "step"}
        self.place({name: np.asarray(arrays[name], dtype) for name, dtype in dtypes.items()})

    def named(self, update: str) -> Update:
        """The update of that name."""
        return next(candidate for candidate in self.updates if candidate.name == update)

    def chosen(self, batches: Mapping[str, Batch]) -> list[Update]:
        """The updates that have a batch, in order: all of them, but for `step(only=…)`."""
        return [update for update in self.updates if update.name in batches]

    def trained(self, update: Update, batch: Batch) -> dict[str, str]:
        """Every weight that `update` moves at the batch's level of detail, with the Adam whose moments it uses."""
        lod = self.alae.level_of(batch.images)
        adam_of = {
            name: update.trains.get(name.split("/", 1)[0])
            for name in self.alae.variables
            if self.alae.takes_part(name, lod)
        }
        return {name: adam for name, adam in adam_of.items() if adam is not None}

    def _with_draws(self, batch: Batch, draws: Mapping[str, Draws], blend: float) -> dict[str, Batch]:
        if self.alae.is_style:
            batch = batch._replace(blend=self._floats(blend))
        return {name: self._with(batch, name, given) for name, given in draws.items()}

    def _with(self, batch: Batch, update: str, draws: Draws) -> Batch:
        batch = batch._replace(z=self._floats(draws.z))
        lod = self.alae.level_of(batch.images)
        if lod is None:
            return batch
        if draws.mix is not None:
            cutoff = self.to_device(np.asarray(draws.cutoff, np.int32))
            batch = batch._replace(mix=self._floats(draws.mix), cutoff=cutoff)
        if draws.noise is None:
            return batch._replace(noise=self._noise(update, lod, len(draws.z)))
        return batch._replace(noise=[self._floats(map) for map in draws.noise])

    def _floats(self, array: Any) -> Tensor:
        return self.to_device(np.asarray(array, self.config.dtype))

    def _noise(self, update: str, lod: int, count: int) -> list[Tensor]:
        shapes = noise_shapes(lod, count)
        ends = list(accumulate(prod(shape) for shape in shapes))
        key = int(stream(self.seed, f"noise/{update}", self.step_count).integers(2**31))
        # In one go: a launch for each of many small maps would take longer than drawing them.
        numbers: Any = self.draw_noise(ends[-1], key)
        return [
            ops.reshape(numbers[start:end], shape)
            for shape, (start, end) in zip(shapes, pairwise([0, *ends]), strict=True)
        ]

    def _restart_adam(self) -> None:
        before = self.state()
        self.load({name: np.zeros_like(array) if name.startswith("adam/") else array for name, array in before.items()})
