"""The part of a training run that is the same in every framework, as a base class for runners."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from keras import ops

from alae_core.backend import Backend, Losses
from alae_core.draws import Draws, draw
from alae_core.errors import ArgumentError
from alae_core.groups import Adam
from alae_core.growth import Rates, Stage, position
from alae_core.model import Alae
from alae_core.networks.family import Family
from alae_core.optimizer import adam_step, average_step
from alae_core.parts import select_weights
from alae_core.passes import count_passes
from alae_core.placement import BatchPlacer
from alae_core.state import as_dtype, count_name, initial_state, moment_name, require_same_arrays, shapes
from alae_core.updates import Batch, Update
from alae_core.view import View
from alae_core.walk import walk

Tensor = TypeVar("Tensor")
Tensors = dict[str, Tensor]


class BaseRunner(BatchPlacer[Tensor]):
    """Base class of a `Runner`. `self.tensors` is its state: the arrays of `alae_core.state` as tensors, by name.

    A subclass defines how arrays are copied to the device and back, and how one update is differentiated;
    `alae_core.placement` and `alae_core.walk` do the rest. A framework with its own kernels for Adam or averages
    overrides `apply` or `average`; one that compiles the step overrides `train`, and `add_passes` with a loop of the
    framework. The step count stays on the host, in `self.step_number`.
    `__init__` loads the initial state, so attributes that these methods use must be set before it is called.
    """

    backend: Backend

    def __init__(self, backend: Backend, model: Alae) -> None:
        self.backend, self.model, self.config = backend, model, model.config
        self.networks = model.family
        self.frozen = select_weights(model.config.freeze, model.variables)
        self.step_number = 0
        self.microbatch: int | None = None
        self.tensors: Tensors = {}
        self.load(initial_state(model.config, model.updates, model.weights(), model.mean_of_w()))

    def __repr__(self) -> str:
        return f"<run on {self.backend.name} at step {self.step_number:,}: {self.model!r}>"

    @abstractmethod
    def to_numpy(self, tensor: Tensor) -> np.ndarray:
        """Return a copy of `tensor` on the host."""

    @abstractmethod
    def place(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Assign `arrays` (the state without "step") to `self.tensors` and to the model's own variables.

        `self.model.state_variables` has the latter by their names in the state. The two must stay equal during
        training: share memory between them, or assign the model's variables after each step.
        """

    @abstractmethod
    def gradient(self, tensors: Tensors, update: Update, batch: Batch) -> tuple[Tensor, Tensors]:
        """Return the loss of one update, and its gradient for each of `self.trained_weights(update, batch)`.

        The weights are those in `tensors`; `self.networks.use_weights` lets the networks use them.
        """

    # ---- methods that a subclass may override ----

    def train(self, batches: Mapping[str, Batch], stage: Stage, rates: Rates) -> dict[str, Any]:
        """Do one training step on `self.tensors`; return the losses as scalars on the device.

        A subclass that compiles the step for each `stage` must pass the numbers in `rates` as tensors.
        """
        return walk(self, self.tensors, batches, stage, rates)

    def differentiate(self, update: Update, batch: Batch) -> tuple[Tensor, Tensors]:
        """Call `gradient` at the current weights."""
        return self.gradient(self.tensors, update, batch)

    def evaluate(self, tensors: Tensors, fn: Callable[[Family, Batch], Tensor], update: Update, batch: Batch) -> Tensor:
        """See `walk.Mechanics`."""
        with self.networks.use_weights(tensors):
            return fn(self.networks, batch)

    def add_passes(self, compute: Callable[[Any], Tensors], passes: int) -> Tensors:
        """See `walk.Mechanics`."""
        sums = compute(0)
        for k in range(1, passes):
            sums = {name: sums[name] + each for name, each in compute(k).items()}
        return sums

    def compute(self, fn: Callable[[], Tensors]) -> Mapping[str, Tensor]:
        """See `walk.Mechanics`."""
        return fn()

    def change(self, fn: Callable[[], None]) -> None:
        """See `walk.Mechanics`."""
        fn()

    def reduce(self, means: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """See `walk.Mechanics`; one device has the whole batch."""
        return means

    def apply(self, tensors: Tensors, choice: Adam, adam: str, gradients: Mapping[str, Tensor]) -> None:
        """See `walk.Mechanics`."""
        if not gradients:
            return
        count = count_name(adam, next(iter(gradients)))
        t = tensors[count] + 1
        moved: Tensors = {count: t}
        for name, gradient in gradients.items():
            where = (f"weights/{name}", moment_name(adam, "m", name), moment_name(adam, "v", name))
            value, m, v = (tensors[key] for key in where)
            moved |= zip(where, adam_step(choice, value, gradient, m, v, ops.cast(t, self.config.dtype)), strict=True)
        self.write(tensors, moved)

    def average(self, tensors: Tensors, decay: Any) -> None:
        """See `walk.Mechanics`."""
        names = [(f"averages/{name}", f"weights/{name}") for name in self.model.variables]
        self.write(
            tensors, {average: average_step(decay, tensors[average], tensors[weight]) for average, weight in names}
        )

    def write(self, tensors: Tensors, values: Mapping[str, Tensor]) -> None:
        """See `walk.Mechanics`; replaces the tensors."""
        tensors.update(values)

    def clear(self, names: Iterable[str]) -> None:
        """Set these tensors to zero."""
        self.write(self.tensors, {name: ops.zeros_like(self.tensors[name]) for name in names})

    # ---- the contract ----

    def step(
        self,
        images: Any,
        *,
        labels: np.ndarray | None = None,
        only: str | None = None,
        draws: Mapping[str, Draws] | None = None,
    ) -> Losses:
        """See `Runner.step`."""
        batch = images if isinstance(images, Batch) else self.put_whole(images, labels)
        here = position(self.config, self.step_number)
        self._require_size(batch, here.view)
        if here.restarts:
            self.clear(name for name in self.tensors if name.startswith("adam/"))
        batch = batch._replace(images=self.networks.fade(batch.images, blend=here.blend))
        if draws is None:
            draws = self.draws(self.step_number, self.count_whole(batch))
        due = [update.name for update in self.model.updates if self.step_number % update.every == 0]
        chosen = {name: draws[name] for name in (due if only is None else [self.model.update(only).name])}
        losses = self.train(self._make_batches(batch, chosen, here, self.step_number), here.stage, here.rates)
        self.step_number += 1
        # In the order of the updates, which a compiled step may not preserve.
        return Losses({update.name: losses[update.name] for update in self.model.updates if update.name in losses})

    def losses(
        self,
        images: np.ndarray,
        draws: Mapping[str, Draws],
        *,
        labels: np.ndarray | None = None,
        blend: float = 1.0,
    ) -> Losses:
        """See `Runner.losses`."""
        batches = self._batches_at_rest(images, labels, draws, blend)
        updates = self.model.updates
        losses = {update.name: self.differentiate(update, batches[update.name])[0] for update in updates}
        return Losses(self.reduce(losses))

    def gradients(
        self,
        update: str,
        images: np.ndarray,
        draws: Mapping[str, Draws],
        *,
        labels: np.ndarray | None = None,
        blend: float = 1.0,
    ) -> dict[str, np.ndarray]:
        """See `Runner.gradients`."""
        chosen = self.model.update(update)
        batches = self._batches_at_rest(images, labels, {update: draws[update]}, blend)
        _, gradients = self.differentiate(chosen, batches[update])
        return {name: self.to_numpy(gradient) for name, gradient in self.reduce(gradients).items()}

    def draws(self, step: int, count: int) -> dict[str, Draws]:
        """See `Runner.draws`."""
        return draw(self.config, self.model.updates, step, count)

    def noise(self, step: int, count: int) -> dict[str, list[np.ndarray]]:
        """See `Runner.noise`."""
        lod = position(self.config, step).stage.lod
        if lod is None:
            return {}
        names = [update.name for update in self.model.updates if "noise" in update.draws]
        return {name: [self.to_numpy(map) for map in self._draw_noise_maps(name, step, lod, count)] for name in names}

    def weights(self, averaged: bool = False) -> dict[str, np.ndarray]:
        """See `Runner.weights`."""
        group = "averages" if averaged else "weights"
        return {name: self.to_numpy(self.tensors[f"{group}/{name}"]) for name in self.model.variables}

    def state(self) -> dict[str, np.ndarray]:
        """See `Runner.state`."""
        arrays = {name: self.to_numpy(tensor) for name, tensor in self.tensors.items()}
        return {"step": np.asarray(self.step_number, np.int64), **arrays}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Runner.load`."""
        w_mean = None if self.model.w_mean is None else tuple(self.model.w_mean.shape)
        weights = {name: tuple(variable.shape) for name, variable in self.model.variables.items()}
        require_same_arrays(shapes(self.config, self.model.updates, weights, w_mean), state)
        # The state may come from a run in another precision.
        dtypes = {name: np.int64 if name.endswith("/t") else self.config.dtype for name in state if name != "step"}
        arrays = {name: as_dtype(name, state[name], dtype) for name, dtype in dtypes.items()}
        self.step_number = int(state["step"])
        self.place(arrays)

    def trained_weights(self, update: Update, batch: Batch) -> list[str]:
        """Return the name of every weight that `update` trains at the batch's level of detail; none that are frozen."""
        family = self.networks
        lod = family.level_of(batch.images)
        return [
            name
            for name in self.model.variables
            if name.split("/", 1)[0] in update.trains and family.takes_part(name, lod) and name not in self.frozen
        ]

    def _require_size(self, batch: Batch, view: View | None) -> None:
        # Here, because compiled steps would raise it from within.
        count_passes(batch.images.shape[0], self.microbatch)
        expected = self.networks.image_shape(view)
        if tuple(batch.images.shape[1:]) != expected:
            raise ArgumentError(
                "images",
                f"have shape {tuple(batch.images.shape)}, but step {self.step_number} trains on images of shape "
                f"(batch, {', '.join(map(str, expected))}); reduce them with alae_core.images.pooled",
            )

    def _batches_at_rest(
        self, images: np.ndarray, labels: np.ndarray | None, draws: Mapping[str, Draws], blend: float
    ) -> dict[str, Batch]:
        """Return the batch of each update outside of a training step, with the current p of augmentation."""
        here = position(self.config, self.step_number)._replace(blend=blend)
        batches = self._make_batches(self.put_whole(images, labels), draws, here, self.step_number)
        if "augment_p" not in self.tensors:
            return batches
        return {update: batch._replace(augment_p=self.tensors["augment_p"]) for update, batch in batches.items()}
