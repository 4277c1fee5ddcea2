"""A plug-in as a subject: the public `Backend` and `Runner`, exactly as training uses them, and nothing else."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import alae_core as alae
from alae_conformance.subjects import Arrays, Batches, Inputs, listed, reciprocity_error, snapshot_changes, with_noise
from alae_core.config import Precision, make_config


class Plugin:
    """See `Subject`. It must be made before Keras is imported, in a process that is the plug-in's own."""

    def __init__(self, name: str, precision: Precision) -> None:
        self.backend = alae.load_backend(name, precision=precision)
        self._opened: dict[str, tuple[alae.Alae, alae.Runner]] = {}

    def hello(self) -> dict[str, Any]:
        import keras

        return {
            "name": self.backend.name,
            "keras_backend": self.backend.keras_backend,
            "running": keras.backend.backend(),
            "device": self.backend.device,
            "devices": self.backend.devices(),
            "versions": dict(self.backend.versions()),
        }

    def open(self, config: Mapping[str, Any], seed: int) -> None:
        self.config, self.seed = make_config(config), seed
        key = f"{seed} {self.config.to_yaml()}"
        if key not in self._opened:
            model = alae.build(self.config, seed)
            self._opened[key] = model, self.backend.runner(model, self.config, seed=seed)
        self.model, self.runner = self._opened[key]

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        self.runner.load(state)

    def state(self) -> Arrays:
        return _numpy(self.runner.state())

    def weights(self, averaged: bool = False) -> Arrays:
        return _numpy(self.runner.weights(averaged))

    def model_weights(self) -> Arrays:
        return self.model.weights()

    def forward(self, inputs: Inputs) -> Arrays:
        lod, drawn = self.model.level_of(inputs.images), inputs.draws["generator"]
        return {
            "F": self.model.map(drawn.z),
            "G": self.model.generate(inputs.w, lod, inputs.blend, drawn.noise, labels=inputs.labels),
            "E": self.model.encode(inputs.images, lod, inputs.blend, labels=inputs.labels),
            "D": self.model.discriminate(inputs.w),
        }

    def input_gradient(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        from keras import ops

        model, lod = self.model, self.model.level_of(inputs.images)
        level = {} if lod is None else {"lod": lod, "blend": inputs.blend}
        arrays = [inputs.images] if inputs.labels is None else [inputs.images, model.one_hot(inputs.labels)]
        images, *labels = (ops.convert_to_tensor(np.asarray(array, self.config.dtype)) for array in arrays)
        found = self.backend.input_gradient(lambda x: model.D(model.E([x, *labels] if labels else x, **level)), images)
        logits, gradient = (np.array(ops.convert_to_numpy(ops.stop_gradient(tensor))) for tensor in found)
        return logits, gradient

    def losses(self, inputs: Inputs) -> dict[str, float]:
        return dict(self.runner.losses(inputs.images, inputs.draws, inputs.labels, blend=inputs.blend))

    def gradients(self, update: str, inputs: Inputs) -> Arrays:
        found = self.runner.gradients(update, inputs.images, inputs.draws, inputs.labels, blend=inputs.blend)
        return _numpy(found)

    def run(self, batches: Batches, steps: int, only: str | None = None) -> Arrays:
        first = int(self.runner.state()["step"])
        # Read at the end only, as training does between two reports: a step must not wait for its losses.
        records = [self._step(batches, step, only) for step in range(first, first + steps)]
        return {update: np.array([losses[update] for losses in records]) for update in records[0]}

    def draws(self, step: int, count: int) -> Arrays:
        from alae_core.state import draws

        return listed(draws(self.config, self.seed, step, count))

    def _step(self, batches: Batches, step: int, only: str | None) -> Mapping[str, float]:
        from alae_core.growth import position
        from alae_core.state import draws

        stage = position(self.config, step).stage
        images, labels = batches.at(step, stage.batch_size)
        if stage.lod is None:
            return self.runner.step(images, labels, only=only)
        drawn = draws(self.config, self.seed, step, len(images))
        given = {update: with_noise(each, update, step, stage.lod) for update, each in drawn.items()}
        return self.runner.step(images, labels, only=only, draws=given)

    def snapshot_changes(self, batches: Batches) -> list[str]:
        return snapshot_changes(self, batches)

    def reciprocity_error(self, z: np.ndarray) -> float:
        w = self.model.map(z)
        return reciprocity_error(w, self.model.encode(self.model.generate(w)))

    def save(self, directory: str) -> str:
        path = alae.save_checkpoint(
            directory, self.runner.state(), self.config, seed=self.seed, backend=self.backend, keep=None
        )
        return str(path)

    def resume(self, path: str) -> None:
        checkpoint = alae.load_checkpoint(path)
        self.open(checkpoint.config.model_dump(mode="json"), checkpoint.seed)
        self.runner.load(checkpoint.state)


def _numpy(arrays: Mapping[str, Any]) -> Arrays:
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} is a {type(array).__name__}, but the contract asks for a NumPy array")
    return dict(arrays)
