"""A plug-in as a subject: the public `Backend` and `Runner`, exactly as training uses them, and nothing else."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import alae_core as alae
from alae_conformance.subjects import Arrays, Batches, Inputs, reciprocity_error, snapshot_changes
from alae_core.config import Precision, make_config
from alae_core.latents import Draws


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
        return {
            "F": self.model.map(inputs.z["generator"]),
            "G": self.model.generate(inputs.w, labels=inputs.labels),
            "E": self.model.encode(inputs.images, labels=inputs.labels),
            "D": self.model.discriminate(inputs.w),
        }

    def input_gradient(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        from keras import ops

        arrays = [inputs.images] if inputs.labels is None else [inputs.images, self.model.one_hot(inputs.labels)]
        images, *labels = (ops.convert_to_tensor(np.asarray(array, self.config.dtype)) for array in arrays)
        found = self.backend.input_gradient(lambda x: self.model.D(self.model.E([x, *labels] if labels else x)), images)
        logits, gradient = (np.array(ops.convert_to_numpy(ops.stop_gradient(tensor))) for tensor in found)
        return logits, gradient

    def losses(self, inputs: Inputs) -> dict[str, float]:
        return dict(self.runner.losses(inputs.images, _draws(inputs), inputs.labels))

    def gradients(self, update: str, inputs: Inputs) -> Arrays:
        return _numpy(self.runner.gradients(update, inputs.images, _draws(inputs), inputs.labels))

    def run(self, batches: Batches, steps: int, only: str | None = None) -> Arrays:
        first = int(self.runner.state()["step"])
        # Read at the end only, as training does between two reports: a step must not wait for its losses.
        records = [self.runner.step(*batches.at(k), only=only) for k in range(first, first + steps)]
        return {update: np.array([losses[update] for losses in records]) for update in records[0]}

    def draws(self, step: int, count: int) -> Arrays:
        from alae_core.state import draws

        return {update: drawn.z for update, drawn in draws(self.config, self.seed, step, count).items()}

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


def _draws(inputs: Inputs) -> dict[str, Draws]:
    return {update: Draws(z) for update, z in inputs.z.items()}


def _numpy(arrays: Mapping[str, Any]) -> Arrays:
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} is a {type(array).__name__}, but the contract asks for a NumPy array")
    return dict(arrays)
