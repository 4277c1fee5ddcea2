"""What the suite asks of whatever it judges: a plug-in in its own process, the reference, or a faulty copy of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar
from zlib import crc32

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from alae_core.draws import Draws
from alae_core.streams import sample_noise
from alae_core.view import View

#: what a subject's `put` returns: its own affair
PutBatch = TypeVar("PutBatch")
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Batches:
    """Batches of full-size images (count, batch, H, W, C), and class numbers (count, batch) for a model with labels."""

    images: np.ndarray
    labels: np.ndarray | None = None

    def at(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray | None]:
        """`size` images and labels for one training step; after the last batch comes the first."""
        k = step % len(self.images)
        return self.images[k, :size], None if self.labels is None else self.labels[k, :size]


class Inputs(NamedTuple):
    """One batch of everything that the four networks take; for style networks, as they are looked at in one view."""

    images: np.ndarray
    labels: np.ndarray | None
    w: np.ndarray
    draws: Mapping[str, Draws]  # by update
    view: View | None = None

    @property
    def blend(self) -> float:
        """How far the view's level has faded in."""
        return 1.0 if self.view is None else self.view.blend


def with_noise(draws: Mapping[str, Draws], step: int, lod: int, count: int) -> dict[str, Draws]:
    """What the updates of a training step draw for `count` images, with noise that is the same for every subject."""
    return {
        update: drawn._replace(noise=sample_noise(lod, count, seed=crc32(f"{update} {step}".encode())))
        for update, drawn in draws.items()
    }


def last(draws: Mapping[str, Draws]) -> str:
    """The update whose z F is shown: the generator's, or of an algorithm that has none its last one's."""
    return "generator" if "generator" in draws else list(draws)[-1]


def listed(draws: Mapping[str, Draws]) -> Arrays:
    """What updates draw, but for noise, by update, update/mix, update/cutoff and update/augment."""
    found: Arrays = {}
    for update, (z, mix, cutoff, _, augment) in draws.items():
        found |= {} if z is None else {update: z}
        found |= {} if augment is None else {f"{update}/augment": augment}
        if mix is not None:
            found |= {f"{update}/mix": mix, f"{update}/cutoff": np.asarray(cutoff, np.int64)}
    return found


def reciprocity_error(w: np.ndarray, again: np.ndarray) -> float:
    """mean ‖w − again‖² over the variance of w, both (count, w): F may shrink w, which is no reciprocity."""
    w, again = w.astype(np.float64), again.astype(np.float64)
    return float(np.square(w - again).sum(1).mean() / w.var(0).sum())


def shared_arrays(subject: "Subject", batches: Batches) -> list[str]:
    """See `Subject.shared_arrays`; it must run where the arrays are, since sending them elsewhere copies them."""
    state = subject.state()
    kept = {name: np.array(array) for name, array in state.items()}
    subject.run(batches, 1)
    subject.load(state)
    subject.run(batches, 1)
    shared = [name for name, array in kept.items() if not np.array_equal(array, state[name])]
    given = {name: np.array(array) for name, array in kept.items()}
    subject.load(given)
    _write_over(given.values())
    after = subject.state()
    shared += [f"{name} after load" for name, array in kept.items() if not np.array_equal(array, after[name])]
    subject.load(kept)
    losses = subject.train(batches, 1)
    return [*shared, *(f"images after put, in the {name} update" for name in losses if not np.isfinite(losses[name]))]


def put_and_write_over(
    put: Callable[..., PutBatch], batch: tuple[np.ndarray, np.ndarray | None], dtype: str
) -> PutBatch:
    """What `put` makes of a batch whose arrays are written over at once, as by who reads the next batch into them."""
    # In the run's own precision, so that nothing but `put` need copy them.
    given = [np.array(array, dtype if array.dtype.kind == "f" else array.dtype) for array in batch if array is not None]
    found = put(*given)
    _write_over(given)
    return found


def _write_over(arrays: Iterable[np.ndarray]) -> None:
    for array in arrays:
        array[...] = np.nan if array.dtype.kind == "f" else 0


Word = Annotated[str, Field(max_length=200)]


class Hello(TypedDict):
    """What a plug-in says of itself; `running` is what Keras runs on, `keras_backend` what it declares."""

    name: Word
    keras_backend: Word
    running: Word
    device: Word
    devices: list[Word]
    versions: dict[Word, Word]


class Subject(Protocol):
    """All arrays are NumPy, under the names of `alae_core.state`; an exception is the subject's own fault."""

    def hello(self) -> Hello:
        """Who it is."""

    def open(self, config: Mapping[str, Any], anew: bool = False) -> None:
        """Make a run of `Config.data()` the one that all other calls are about.

        It may have been opened before, and trained since; one that is opened anew has not.
        """

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state."""

    def state(self) -> Arrays:
        """The state."""

    def weights(self, averaged: bool = False) -> Arrays:
        """The weights, or their averages, as the run has them."""

    def held(self) -> Arrays:
        """Weights and running mean of w, as the run's model has them, by their names in a state."""

    def forward(self, inputs: Inputs) -> Arrays:
        """F(z), G(w), E(images), and D(w) or D(images), by network, of those there are; z is `last`'s."""

    def input_gradient(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """D(E(images)), and the gradient of its sum with respect to the images."""

    def losses(self, inputs: Inputs) -> dict[str, float]:
        """Every update's loss."""

    def gradients(self, update: str, inputs: Inputs) -> Arrays:
        """The gradient of one update's loss by each weight it trains."""

    def run(self, batches: Batches, steps: int, only: str | None = None) -> Arrays:
        """Training steps with the draws of the run's seed and step, and given noise; losses of shape (steps,)."""

    def draws(self, step: int, count: int) -> Arrays:
        """What the run says that every update draws at one step, as `listed` names it."""

    def noise(self, step: int, count: int) -> Arrays:
        """The noise that the run says its device draws at one step, a map of each layer by update/layer."""

    def train(self, batches: Batches, steps: int, given: bool = False) -> Arrays:
        """Training steps as training takes them: batches put ahead of all steps, and nothing handed to any.

        The arrays of a batch are written over as soon as it was put.

        Where `given`, every step is handed its batch, and what the run says that it draws. Losses of shape (steps,).
        """

    def shared_arrays(self, batches: Batches) -> list[str]:
        """The arrays that should have been copied and were not: none, in a sound subject.

        Those of an earlier `state()` that a step and a later load have changed, and those that were handed to `load`
        and to `put` and written over right after, where the run has become another for it.
        """

    def reciprocity_error(self, z: np.ndarray) -> float:
        """mean ‖F(z) − E(G(F(z)))‖² / var F(z), of the model as it is."""

    def save(self, directory: str) -> str:
        """Write a checkpoint; returns its path."""

    def resume(self, path: str) -> None:
        """Open the run of a checkpoint, and go on from it."""
