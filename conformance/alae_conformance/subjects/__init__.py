"""The interface of a subject, which the suite judges: a backend in its own process, the reference, or a faulty copy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol
from zlib import crc32

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict  # pydantic requires this one before Python 3.12

from alae_core.draws import Draws
from alae_core.streams import sample_noise
from alae_core.view import View

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Batches:
    """Batches of full-size images (count, batch, H, W, C), and class numbers (count, batch) if the model has labels.

    `size` is the number of images in each step, if it is not that of the schedule.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    size: int | None = None

    def at(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the first `size` images and labels of a training step's batch; the batches repeat after the last."""
        k, size = step % len(self.images), self.size or size
        return self.images[k, :size], None if self.labels is None else self.labels[k, :size]


class Inputs(NamedTuple):
    """One batch of inputs of all networks; for style networks, in one view."""

    images: np.ndarray
    labels: np.ndarray | None
    w: np.ndarray
    draws: Mapping[str, Draws]  # by update
    view: View | None = None

    @property
    def blend(self) -> float:
        """How far the view's level has faded in, from 0 to 1."""
        return 1.0 if self.view is None else self.view.blend


def with_noise(draws: Mapping[str, Draws], step: int, lod: int, count: int) -> dict[str, Draws]:
    """Add noise to the draws of a training step for `count` images; it is the same for every subject."""
    return {
        update: drawn._replace(noise=sample_noise(lod, count, seed=crc32(f"{update} {step}".encode())))
        for update, drawn in draws.items()
    }


def shown_update(draws: Mapping[str, Any]) -> str:
    """Return the update that provides F's input z: the generator's, or the last one if the generator has none."""
    return "generator" if "generator" in draws else list(draws)[-1]


def flat_draws(draws: Mapping[str, Draws]) -> Arrays:
    """Return the draws of updates except noise, named UPDATE, UPDATE/mix, UPDATE/cutoff and UPDATE/augment."""
    found: Arrays = {}
    for update, (z, mix, cutoff, _, augment) in draws.items():
        found |= {} if z is None else {update: z}
        found |= {} if augment is None else {f"{update}/augment": augment}
        if mix is not None:
            found |= {f"{update}/mix": mix, f"{update}/cutoff": np.asarray(cutoff, np.int64)}
    return found


def collect_losses(records: Sequence[Mapping[str, float]]) -> Arrays:
    """Return the losses of consecutive steps by update; one that is not done at every step has fewer."""
    updates = dict.fromkeys(update for losses in records for update in losses)
    return {update: np.array([losses[update] for losses in records if update in losses]) for update in updates}


def reciprocity_error(w: np.ndarray, again: np.ndarray) -> float:
    """mean ‖w − again‖² / var w, both of shape (count, w); dividing corrects for an F that shrinks w."""
    w, again = w.astype(np.float64), again.astype(np.float64)
    return float(np.square(w - again).sum(1).mean() / w.var(0).sum())


def plain(value: Any) -> Any:
    """Return a result of a model's method as arrays and plain data: a slice as [start, stop], an update as its name."""
    if isinstance(value, slice):
        return [value.start, value.stop]
    if isinstance(value, Iterator | tuple):
        return [plain(part) for part in value]
    return getattr(value, "name", value)


Word = Annotated[str, Field(max_length=200)]


class Hello(TypedDict):
    """A backend's description of itself; `running` is the framework of Keras, `keras_backend` the declared one."""

    name: Word
    keras_backend: Word
    running: Word
    device: Word
    devices: list[Word]
    versions: dict[Word, Word]


class Subject(Protocol):
    """An implementation to judge. Arrays are NumPy, named as in `alae_core.state`; exceptions count as its errors."""

    def hello(self) -> Hello:
        """Describe the subject."""

    def open(
        self, config: Mapping[str, Any], anew: bool = False, reduction: float = 1.0, microbatch: int | None = None
    ) -> None:
        """Open a run of `Config.data()`, in passes of `microbatch` images, which all other calls refer to.

        Unless `anew` is true, this may be a run that was opened and trained before. `reduction` is the factor by which
        its `reduce` multiplies means.
        """

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Replace the run's state. Raises CheckpointError if the arrays do not fit."""

    def state(self) -> Arrays:
        """Return the run's state."""

    def weights(self, averaged: bool = False) -> Arrays:
        """Return the run's weights, or their averages."""

    def model_state(self) -> Arrays:
        """Return the weights and running mean of w of the run's model, by their names in a state."""

    def forward(self, inputs: Inputs) -> Arrays:
        """F(z), G(w), E(images), and D(w) or D(images), by network that exists; z is that of `shown_update`."""

    def look(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the run's model, or one of its networks, by name; returns its result as `plain` data."""

    def open_checkpoint(self, path: str, averaged: bool) -> None:
        """Let `look` use the model of a checkpoint until the next `open`."""

    def begun_state(self) -> Arrays:
        """Return the state of a new run that starts from the model that `look` uses."""

    def input_gradient(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """D(E(images)), and the gradient of its sum with respect to the images."""

    def losses(self, inputs: Inputs) -> dict[str, float]:
        """Return every update's loss."""

    def gradients(self, update: str, inputs: Inputs) -> Arrays:
        """Return the gradient of one update's loss with respect to each weight that it trains."""

    def run(self, batches: Batches, steps: int, only: str | None = None) -> Arrays:
        """Take training steps with the run's draws and the noise of `with_noise`; returns losses of shape (steps,)."""

    def draws(self, step: int, count: int) -> Arrays:
        """Return the draws of every update at one step, as `flat_draws` names them."""

    def noise(self, step: int, count: int) -> Arrays:
        """Return the noise that the device draws at one step, as a map for each UPDATE/LAYER."""

    def train(self, batches: Batches, steps: int, given: bool = False, same: bool = False) -> Arrays:
        """Take steps as training does, with all batches put before the first step; returns losses of shape (steps,).

        With `same`, the first batch is put once, and every step is done on it.

        The arrays of a batch are overwritten as soon as it has been put. If `given`, every step gets its batch and the
        run's own draws as arguments instead.
        """

    def shared_arrays(self, batches: Batches) -> list[str]:
        """Return the names of arrays that should have been copied and were not; empty for a correct subject.

        These are arrays of an earlier `state()` that a step or a later load has changed, and arrays given to `load` or
        `put` that changed the run when they were overwritten.
        """

    def stale_results(self, inputs: Inputs) -> list[str]:
        """Return the calls whose results did not follow their arrays; empty for a correct subject.

        Arrays are changed in place between two calls, or deleted and replaced by others. The weights change.
        """

    def borrowed_results(self, calls: Mapping[str, Any]) -> list[str]:
        """Return the calls of model methods whose results are not the caller's own; empty for a correct subject.

        Each call is an `experiments.calls.Call`. Its results must be arrays that may be written, which share no memory
        with its arguments, and do not change the results of the same call later.
        """

    def gradients_in_turn(self, update: str, batches: Sequence[Inputs]) -> list[Arrays]:
        """Return the gradients of an update on each batch, in order.

        Each array of a batch is passed in a buffer that the next batch of its shape overwrites.
        """

    def reciprocity_error(self, z: np.ndarray) -> float:
        """mean ‖F(z) − E(G(F(z)))‖² / var F(z) of the current model."""

    def save(self, directory: str) -> str:
        """Write a checkpoint; returns its path."""

    def resume(self, path: str) -> None:
        """Open the run of a checkpoint, and load its state."""

    def forget(self) -> None:
        """Free all runs, with their compiled functions; `open` is the next call."""
