"""What a training run does in every framework: a base class that leaves plug-ins the framework's own part."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from alae_core.backend import Losses
from alae_core.config import Config
from alae_core.model import Alae
from alae_core.state import draws, initial_state, require_state
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
        self.load(initial_state(alae, config))

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
    def train(self, batches: Mapping[str, Batch]) -> dict[str, Any]:
        """Run each update that has a batch, in order, then the averages; return the losses as unread scalars."""

    @abstractmethod
    def differentiate(self, update: Update, batch: Batch) -> tuple[Any, dict[str, Tensor]]:
        """The loss of one update and its gradient by trained weight, at the present weights; nothing moves."""

    def put(self, images: np.ndarray, labels: np.ndarray | None = None) -> Batch:
        """See `Runner.put`; the batch has no z yet."""
        one_hot = None if labels is None else self.to_device(self.alae.one_hot(labels))
        return Batch(self.to_device(np.asarray(images, self.config.dtype)), None, one_hot)

    def step(self, images: Any, labels: np.ndarray | None = None, *, only: str | None = None) -> Losses:
        """See `Runner.step`."""
        batch = images if isinstance(images, Batch) else self.put(images, labels)
        z = draws(self.config, self.seed, self.step_count, len(batch.images))
        losses = self.train(self._with_draws(batch, z if only is None else {only: z[only]}))
        self.step_count += 1
        return Losses(losses)

    def losses(self, images: np.ndarray, draws: Mapping[str, np.ndarray], labels: np.ndarray | None = None) -> Losses:
        """See `Runner.losses`."""
        batches = self._with_draws(self.put(images, labels), draws)
        return Losses({update.name: self.differentiate(update, batches[update.name])[0] for update in self.updates})

    def gradients(
        self, update: str, images: np.ndarray, draws: Mapping[str, np.ndarray], labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """See `Runner.gradients`."""
        batches = self._with_draws(self.put(images, labels), draws)
        _, gradients = self.differentiate(self.named(update), batches[update])
        return {name: self.to_numpy(gradient) for name, gradient in gradients.items()}

    def weights(self, averaged: bool = False) -> dict[str, np.ndarray]:
        """See `Runner.weights`."""
        group = "averages" if averaged else "weights"
        return {name: self.to_numpy(self.tensors[f"{group}/{name}"]) for name in self.alae.variables}

    def state(self) -> dict[str, np.ndarray]:
        """See `Runner.state`."""
        state = {name: self.to_numpy(tensor) for name, tensor in self.tensors.items()}
        return {"step": np.asarray(self.step_count, np.int64), **state}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Runner.load`."""
        require_state(self.alae, self.config, state)
        self.step_count = int(state["step"])
        # Another run's precision may have been another.
        dtypes = {name: np.int64 if name.endswith("/t") else self.config.dtype for name in state if name != "step"}
        self.place({name: np.asarray(state[name], dtype) for name, dtype in dtypes.items()})

    def named(self, update: str) -> Update:
        """The update of that name."""
        return next(candidate for candidate in self.updates if candidate.name == update)

    def chosen(self, batches: Mapping[str, Batch]) -> list[Update]:
        """The updates that have a batch, in order: all of them, but for `step(only=…)`."""
        return [update for update in self.updates if update.name in batches]

    def trained(self, update: Update) -> dict[str, str]:
        """Every weight that `update` moves, with the Adam whose moments it uses."""
        adam_of = {name: update.trains.get(name.split("/", 1)[0]) for name in self.alae.variables}
        return {name: adam for name, adam in adam_of.items() if adam is not None}

    def _with_draws(self, batch: Batch, draws: Mapping[str, np.ndarray]) -> dict[str, Batch]:
        return {name: batch._replace(z=self.to_device(np.asarray(z, self.config.dtype))) for name, z in draws.items()}
