"""A backend as a subject, used only through the public `Backend` and `Runner`, as training does."""

import gc
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import alae_core as alae
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
from alae_conformance.tolerances import DEVICES, Lane, precision_of
from alae_core.backend import has_passes, require_passes, start_runner
from alae_core.config import make_config
from alae_core.growth import position
from alae_core.images import block_sums, to_float
from alae_core.shares import WHOLE, select_rows
from alae_core.spread import find_peers, find_spread
from alae_core.streams import Noise


class BackendSubject:
    """See `Subject`. Create it before Keras is imported, in its own process."""

    def __init__(self, name: str, lane: Lane, device: str | None = None) -> None:
        self._lane = lane
        spread = find_spread(DEVICES) if lane == "devices" else None
        self.backend = alae.load_backend(name, device, precision_of(lane), spread)
        if lane == "microbatch":
            require_passes(self.backend)
        self.forget()

    def hello(self) -> Hello:
        import keras

        return {
            "name": self.backend.name,
            "keras_backend": self.backend.keras_backend,
            "running": keras.backend.backend(),
            "device": self.backend.device,
            "devices": self.backend.devices(),
            "versions": self.backend.versions(),
        }

    def open(
        self, config: Mapping[str, Any], anew: bool = False, reduction: float = 1.0, microbatch: int | None = None
    ) -> None:
        self.config = make_config(config)
        if self._lane != "microbatch" and not has_passes(self.backend):
            microbatch = None
        key = self.config.to_yaml(), reduction, microbatch
        run = None if anew else self._opened.get(key)
        if run is None:
            model = alae.build(self.config)
            run = model, start_runner(self.backend, model, microbatch)
            if reduction != 1:
                _multiply_means(run[1], reduction)
            # Reuse the run that was opened first, because it holds the compiled functions.
            self._opened.setdefault(key, run)
        self.model, self.runner = run
        self.looked = self.model

    def forget(self) -> None:
        self._opened: dict[tuple[str, float, int | None], tuple[alae.Alae, alae.Runner]] = {}
        for name in ("model", "runner", "looked"):
            vars(self).pop(name, None)
        # A model and its compiled functions refer to each other.
        gc.collect()
        # What is left, mostly of imported modules, need not be visited by the next collection.
        gc.freeze()

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        if peers := find_peers(self.backend):
            # As at the start of a run: the first process's arrays count.
            own = {name: np.array(array) if peers.rank == 0 else np.zeros_like(array) for name, array in state.items()}
            state = peers.share_state(own)
        self.runner.load(state)

    def state(self) -> Arrays:
        return _numpy(self.runner.state())

    def weights(self, averaged: bool = False) -> Arrays:
        return _numpy(self.runner.weights(averaged))

    def model_state(self) -> Arrays:
        mean = self.model.mean_of_w()
        weights = {f"weights/{name}": array for name, array in self.model.weights().items()}
        return weights if mean is None else weights | {"w_mean": mean}

    def forward(self, inputs: Inputs) -> Arrays:
        model, view, labels, drawn = self.model, inputs.view, inputs.labels, inputs.draws[shown_update(inputs.draws)]
        noise: Noise = "fixed" if drawn.noise is None else drawn.noise
        found = {
            "G": model.generate(inputs.w, view, noise=noise, labels=labels),
            "E": model.encode(inputs.images, view, labels=labels),
        }
        if model.has("F") and drawn.z is not None:
            found["F"] = model.map(drawn.z, labels=labels)
        if model.has("D"):
            on_images = self.config.networks.discriminator == "images"
            found["D"] = model.discriminate(inputs.images if on_images else inputs.w, view, labels=labels)
        return found

    def look(self, method: str, *arguments: Any, **options: Any) -> Any:
        import keras
        from keras import ops

        member = getattr(self.looked, method)
        if not isinstance(member, keras.Model):
            return plain(member(*arguments, **options))
        tensors = [ops.convert_to_tensor(np.asarray(array, self.config.dtype)) for array in arguments]
        return np.array(ops.convert_to_numpy(ops.stop_gradient(member(*tensors))))

    def open_checkpoint(self, path: str, averaged: bool) -> None:
        self.looked = alae.load(path, backend=self.backend.name, device=self.backend.device, averaged=averaged)

    def begun_state(self) -> Arrays:
        return _numpy(start_runner(self.backend, self.looked).state())

    def input_gradient(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        from keras import ops

        from alae_core.inputs import one_hot

        family, lod = self.model.family, None if inputs.view is None else inputs.view.lod
        arrays = [inputs.images, *one_hot(self.config, inputs.labels, len(inputs.images))]
        images, *rest = (ops.convert_to_tensor(np.asarray(array, self.config.dtype)) for array in arrays)
        labels = rest[0] if rest else None
        found = self.backend.input_gradient(
            lambda x: family.score(x, labels=labels, lod=lod, blend=inputs.blend), images
        )
        logits, gradient = (np.array(ops.convert_to_numpy(ops.stop_gradient(tensor))) for tensor in found)
        return logits, gradient

    def losses(self, inputs: Inputs) -> dict[str, float]:
        found = self.runner.losses(inputs.images, inputs.draws, labels=inputs.labels, blend=inputs.blend)
        return {update: float(loss) for update, loss in found.items()}

    def gradients(self, update: str, inputs: Inputs) -> Arrays:
        found = self.runner.gradients(update, inputs.images, inputs.draws, labels=inputs.labels, blend=inputs.blend)
        return _numpy(found)

    def run(self, batches: Batches, steps: int, only: str | None = None) -> Arrays:
        # Read losses only at the end, as training does, so that no step waits for them.
        records = [self._step(batches, only) for _ in range(steps)]
        return collect_losses(records)

    def draws(self, step: int, count: int) -> Arrays:
        return flat_draws(self.runner.draws(step, count))

    def noise(self, step: int, count: int) -> Arrays:
        return {
            f"{update}/{layer}": array
            for update, maps in self.runner.noise(step, count).items()
            for layer, array in enumerate(maps)
        }

    def train(self, batches: Batches, steps: int, given: bool = False, same: bool = False) -> Arrays:
        first = self.runner.step_number
        shown = [self._batch_at_level(batches, step) for step in range(first, first + steps)]
        if given:
            records = [self._step_on_arrays(*batch) for batch in shown]
        else:
            own = [self._select_own(*batch) for batch in shown]
            # In another thread, as a loader does.
            with ThreadPoolExecutor(1) as loader:
                ahead = loader.submit(lambda: list(put_and_overwrite(self.runner.put, own, self.config.dtype))).result()
            records = [self.runner.step(batch) for batch in (ahead[:1] * steps if same else ahead)]
        return collect_losses(records)

    def _step_on_arrays(self, images: np.ndarray, labels: np.ndarray | None) -> Mapping[str, float]:
        step, count = self.runner.step_number, len(images)
        draws, noise = self.runner.draws(step, count), self.runner.noise(step, count)
        draws = {update: drawn._replace(noise=noise.get(update)) for update, drawn in draws.items()}
        return self.runner.step(images, labels=labels, draws=draws)

    def _batch_at_level(self, batches: Batches, step: int) -> tuple[np.ndarray, np.ndarray | None]:
        here = position(self.config, step)
        images, labels = batches.at(step, here.stage.batch_size)
        if here.view is None:
            return images, labels
        if images.shape[1] == here.view.size:
            return images, labels
        # Not `images.pooled`, which rounds to float32.
        images = to_float(images) if images.dtype == np.uint8 else images
        return block_sums(images, here.view.size) / (images.shape[1] // here.view.size) ** 2, labels

    def _select_own(self, images: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Return this process's part of a batch, as a loader does."""
        rows = select_rows(self.config, len(images), getattr(self.runner, "share", WHOLE))
        return images[rows], None if labels is None else labels[rows]

    def _step(self, batches: Batches, only: str | None) -> Mapping[str, float]:
        step = self.runner.step_number
        images, labels = self._batch_at_level(batches, step)
        view = position(self.config, step).view
        if view is None:
            return self.runner.step(images, labels=labels, only=only)
        draws = with_noise(self.runner.draws(step, len(images)), step, view.lod, len(images))
        return self.runner.step(images, labels=labels, only=only, draws=draws)

    def shared_arrays(self, batches: Batches) -> list[str]:
        return shared_arrays(self, batches)

    def stale_results(self, inputs: Inputs) -> list[str]:
        return stale_results(self, inputs, self.config.dtype)

    def borrowed_results(self, calls: Mapping[str, Any]) -> list[str]:
        return borrowed_results(self, calls, self.config.dtype)

    def gradients_in_turn(self, update: str, batches: Sequence[Inputs]) -> list[Arrays]:
        return gradients_in_turn(self, update, batches, self.config.dtype)

    def reciprocity_error(self, z: np.ndarray) -> float:
        w = self.model.map(z)
        return reciprocity_error(w, self.model.reencode(w))

    def save(self, directory: str) -> str:
        return str(alae.save_checkpoint(directory, self.runner))

    def resume(self, path: str) -> None:
        checkpoint = alae.load_checkpoint(path)
        self.open(checkpoint.config.data())
        self.runner.load(checkpoint.state)


def _multiply_means(runner: Any, factor: float) -> None:
    """Let a runner's `reduce` multiply its results."""
    reduce = runner.reduce
    runner.reduce = lambda means: {name: factor * mean for name, mean in reduce(means).items()}


def _numpy(arrays: Mapping[str, Any]) -> Arrays:
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} is a {type(array).__name__}, but the contract asks for a NumPy array")
    return dict(arrays)
