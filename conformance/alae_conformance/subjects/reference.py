"""The reference as a subject: its answers are the expected ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from alae_conformance.reference import growth
from alae_conformance.reference.baselines import reference_of
from alae_conformance.reference.draws import draw_augmentation, draw_styles, stream
from alae_conformance.reference.model import Model, to_floats, view_of
from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import Batch
from alae_conformance.subjects import (
    Arrays,
    Batches,
    Hello,
    Inputs,
    collect_losses,
    flat_draws,
    plain,
    reciprocity_error,
    shown_update,
    with_noise,
)
from alae_conformance.subjects.reuse import (
    borrowed_results,
    gradients_in_turn,
    put_and_overwrite,
    shared_arrays,
    stale_results,
)
from alae_core.checkpoint import load_checkpoint
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.config import Config, make_config
from alae_core.draws import Draws
from alae_core.errors import ArgumentError, CheckpointError
from alae_core.streams import noise_shapes
from alae_core.view import View


class ReferenceSubject:
    """See `Subject`; `variant`, if given, replaces the reference of the configuration's algorithm."""

    # The name that checkpoints record as their writer.
    name = "reference"
    #: the class of the model that `look` uses
    model: type[Model] = Model

    def __init__(self, variant: Callable[[Config], Reference] | None = None) -> None:
        self.variant = variant
        self.reference: Reference
        self._state: Arrays
        # The runs that were opened, by their configuration and options, and those of the current one.
        self._opened: dict[tuple[str, float, int | None], tuple[Reference, Arrays]] = {}
        self._key: tuple[str, float, int | None] | None = None

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def hello(self) -> Hello:
        return {
            "name": self.name,
            "keras_backend": "numpy",
            "running": "numpy",
            "device": "cpu",
            "devices": ["cpu"],
            "versions": {"keras": "none", **self.versions()},
        }

    def open(
        self, config: Mapping[str, Any], anew: bool = False, reduction: float = 1.0, microbatch: int | None = None
    ) -> None:
        if self._key is not None:
            self._opened[self._key] = self.reference, self._state
        self.config: Config = make_config(config)
        self._key = self.config.to_yaml(), reduction, microbatch
        if anew or self._key not in self._opened:
            self.reference = (self.variant or reference_of(self.config))(self.config)
            self.reference.reduction, self.reference.microbatch = reduction, microbatch
            self._state = self.reference.initial_state(self.reference.initial_weights())
        else:
            self.reference, self._state = self._opened[self._key]
        self._looked: Model | None = None

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        if {name: np.shape(array) for name, array in state.items()} != {
            name: np.shape(array) for name, array in self._state.items()
        }:
            raise CheckpointError("the arrays do not fit the model")
        largest = np.finfo(np.float32).max
        if any(np.any(np.isfinite(array) & (np.abs(array) > largest)) for array in state.values()):
            raise CheckpointError("float32 cannot hold a number")
        self._state = {
            name: np.array(array, array.dtype if array.dtype.kind == "i" else np.float64)
            for name, array in state.items()
        }

    def state(self) -> Arrays:
        return self._round(self._state)

    def weights(self, averaged: bool = False) -> Arrays:
        return _group("averages/" if averaged else "weights/", self.state())

    def model_state(self) -> Arrays:
        return {name: array for name, array in self.state().items() if name.partition("/")[0] in ("weights", "w_mean")}

    def forward(self, inputs: Inputs) -> Arrays:
        reference, weights, batch = self.reference, self._weights(), self._batch(shown_update(inputs.draws), inputs)
        found = {
            "G": reference.generate(weights, inputs.w, batch),
            "E": reference.encode(weights, batch.images, batch),
        }
        if "F" in reference.networks:
            found["F"] = reference.map(weights, batch.z, batch.labels)
        if "D" in reference.networks and self.config.networks.discriminator == "images":
            found["D"] = reference.score(weights, batch.images, batch)
        elif "D" in reference.networks:
            found["D"] = reference.judge(weights, inputs.w, batch.labels)
        return {name: trace.output.value for name, trace in found.items()}

    def look(self, method: str, *arguments: Any, **options: Any) -> Any:
        found = plain(getattr(self._looked or self._model(self._state), method)(*arguments, **options))
        # The precision of a backend's own results; other arrays are exact in every precision.
        if isinstance(found, np.ndarray) and found.dtype == np.float64:
            return found.astype(self.config.dtype)
        return self._round(found) if isinstance(found, dict) else found

    def open_checkpoint(self, path: str, averaged: bool) -> None:
        checkpoint = load_checkpoint(path)
        view = view_of(self.config, checkpoint.step)
        self._looked = self._model(dict(checkpoint.state), "averages" if averaged else "weights", view)

    def begun_state(self) -> Arrays:
        model = self._looked or self._model(self._state)
        state, mean = self.reference.initial_state(model.weights()), model.mean_of_w()
        return self._round(state if mean is None else state | {"w_mean": mean})

    def input_gradient(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        return self.reference.input_gradient(self._weights(), self._batch("discriminator", inputs))

    def losses(self, inputs: Inputs) -> dict[str, float]:
        factor = self.reference.reduction
        return {update: factor * self._differentiate(update, inputs)[0] for update in self.reference.trains()}

    def gradients(self, update: str, inputs: Inputs) -> Arrays:
        factor = self.reference.reduction
        return {name: factor * each for name, each in self._differentiate(update, inputs)[1].items()}

    def run(self, batches: Batches, steps: int, only: str | None = None) -> Arrays:
        records = []
        for _ in range(steps):
            step = int(self._state["step"])
            lod, _, size, *_ = self.reference.position(self._state)
            images, labels = batches.at(step, size)
            draws = self._all_draws(step, len(images))
            if lod is not None:
                draws = with_noise(draws, step, lod, len(images))
            records.append(self._step(images, labels, self._due(draws, step) if only is None else {only: draws[only]}))
        return collect_losses(records)

    def draws(self, step: int, count: int) -> Arrays:
        return flat_draws(self._all_draws(step, count))

    def noise(self, step: int, count: int) -> Arrays:
        return {
            f"{update}/{layer}": map.astype(self.config.dtype)
            for update, draws in self._draws_and_noise(step, count).items()
            for layer, map in enumerate(draws.noise or ())
        }

    def train(self, batches: Batches, steps: int, given: bool = False, same: bool = False) -> Arrays:
        first = int(self._state["step"])
        sizes = {
            step: batches.size or growth.position(self.config, step).batch_size for step in range(first, first + steps)
        }
        shown = [batches.at(step, size) for step, size in sizes.items()]
        ahead = list(put_and_overwrite(self._put, shown, "float64"))
        ahead = ahead[:1] * steps if same else ahead
        handed = [self._due(self._draws_and_noise(step, size), step) if given else None for step, size in sizes.items()]
        return collect_losses([self._step(*batch, draws) for batch, draws in zip(ahead, handed, strict=True)])

    def shared_arrays(self, batches: Batches) -> list[str]:
        return shared_arrays(self, batches)

    def stale_results(self, inputs: Inputs) -> list[str]:
        return stale_results(self, inputs, "float64")

    def generated(self, batches: Batches) -> np.ndarray:
        """Return the images that the discriminator's update generates in the next step, with the noise of `run`."""
        step = int(self._state["step"])
        lod, blend, *_ = self.reference.position(self._state)
        images, labels = batches.at(step, batches.size or 1)
        draws = self._all_draws(step, len(images))
        if lod is not None:
            draws = with_noise(draws, step, lod, len(images))
        view = None if lod is None else View(lod, blend)
        batch = self._batch("discriminator", Inputs(images, labels, np.empty(0), draws, view))
        styles = self.reference.styles(self._weights(), batch)[1]
        return self.reference.generate(self._weights(), styles, batch).output.value

    def borrowed_results(self, calls: Mapping[str, Any]) -> list[str]:
        return borrowed_results(self, calls, "float64")

    def gradients_in_turn(self, update: str, batches: Sequence[Inputs]) -> list[Arrays]:
        return gradients_in_turn(self, update, batches, "float64")

    def reciprocity_error(self, z: np.ndarray) -> float:
        F, G, E = (self.reference.networks[name] for name in "FGE")
        weights = self._weights()
        w = F.forward(weights, z).output.value
        return reciprocity_error(w, E.forward(weights, G.forward(weights, w).output.value).output.value)

    def save(self, directory: str) -> str:
        return str(write_checkpoint(directory, self._state, self.config, author=self))

    def resume(self, path: str) -> None:
        checkpoint = load_checkpoint(path)
        self.open(checkpoint.config.data())
        self.load(checkpoint.state)

    def forget(self) -> None:
        pass

    def _model(self, state: Arrays, kind: str = "weights", view: View | None = None) -> Model:
        finest = View(self.config.lods - 1) if self.config.growth else None
        return self.model(self.reference, _group(f"{kind}/", state), state.get("w_mean"), view or finest)

    def _round(self, arrays: Arrays) -> Arrays:
        # The precision of a backend's own arrays.
        return {
            name: np.array(array, np.int64 if array.dtype.kind == "i" else self.config.dtype)
            for name, array in arrays.items()
        }

    def _weights(self) -> Arrays:
        return _group("weights/", self._state)

    def _one_hot(self, labels: np.ndarray | None) -> np.ndarray | None:
        return None if labels is None else np.eye(self.config.labels)[labels]

    def _batch(self, update: str, inputs: Inputs) -> Batch:
        labels, given = self._one_hot(inputs.labels), inputs.draws[update]
        if inputs.view is not None and given.noise is None:
            maps = self._draw_maps(update, int(self._state["step"]), inputs.view.lod, len(inputs.images))
            given = given._replace(noise=maps)
        p, gamma = self.reference.p(self._state), self.reference.position(self._state).r1_gamma
        return Batch(
            to_floats(inputs.images), labels=labels, blend=inputs.blend, p=p, r1_gamma=gamma, **given._asdict()
        )

    def _put(self, images: np.ndarray, labels: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        return np.array(images), None if labels is None else np.array(labels)

    def _step(
        self, images: np.ndarray, labels: np.ndarray | None, draws: Mapping[str, Draws] | None
    ) -> Mapping[str, float]:
        if images.shape[1:] != self.config.image:
            raise ArgumentError("images", f"have shape {images.shape}")
        if draws is None:
            step = int(self._state["step"])
            draws = self._due(self._draws_and_noise(step, len(images)), step)
        self._state, losses = self.reference.step(self._state, to_floats(images), draws, self._one_hot(labels))
        return losses

    def _due(self, draws: Mapping[str, Draws], step: int) -> dict[str, Draws]:
        """Return the draws of the updates that a step does."""
        return {update: draws[update] for update in self.reference.due(step)}

    def _draws_and_noise(self, step: int, count: int) -> dict[str, Draws]:
        """Return the draws of all updates, with noise from the reference's own streams."""
        lod, draws = growth.position(self.config, step).lod, self._all_draws(step, count)
        if lod is None:
            return draws
        return {
            update: each._replace(noise=self._draw_maps(update, step, lod, count)) for update, each in draws.items()
        }

    def _draw_maps(self, update: str, step: int, lod: int, count: int) -> list[np.ndarray]:
        """Return the noise of one update at a step, a map for each layer."""
        return [self._map(update, step, layer, shape) for layer, shape in enumerate(noise_shapes(lod, count))]

    def _map(self, update: str, step: int, layer: int, shape: tuple[int, ...]) -> np.ndarray:
        return stream(self.config, f"noise/{update}/{layer}", step).standard_normal(shape)

    def _all_draws(self, step: int, count: int) -> dict[str, Draws]:
        return {update: self.draw_update(update, step, count) for update in self.reference.trains()}

    def draw_update(self, update: str, step: int, count: int) -> Draws:
        """Return the draws of one update, without noise."""
        if update in ("reconstruction", "pixels"):
            return Draws(None)
        found = Draws(*draw_styles(self.config, update, step, count, growth.position(self.config, step).lod))
        return found._replace(augment=draw_augmentation(self.config, update, step, count))

    def _differentiate(self, update: str, inputs: Inputs) -> tuple[float, Arrays]:
        return self.reference.differentiate(update, self._weights(), self._batch(update, inputs))


def _group(prefix: str, state: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
