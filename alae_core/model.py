"""Alae: the four networks, and what a person does with them."""

from collections.abc import Mapping

import keras
import numpy as np

from alae_core.config import Config
from alae_core.errors import BackendError, CheckpointError
from alae_core.latents import sample_prior
from alae_core.networks.mlp import build_mlp

# Large enough to keep any processor busy, small enough that memory stays flat whatever the number of images.
_CHUNK = 512


def build(config: Config, seed: int = 0) -> "Alae":
    """The model of `config`, its initial weights decided by `seed`: the same bits on every backend.

    Raises BackendError where the framework was not opened for the configuration's precision.
    """
    alae = Alae(config, build_mlp(config, seed))
    held = {keras.backend.standardize_dtype(variable.value.dtype) for variable in alae.variables.values()}
    if held != {config.dtype}:
        # JAX would go on in float32 without a word.
        raise BackendError(
            f"precision {config.precision} needs {config.dtype} weights, but the framework made {held.pop()} ones: "
            f"call load_backend(name, precision={config.precision!r}) before build"
        )
    return alae


class Alae:
    """An adversarial latent autoencoder: generator G∘F, discriminator D∘E, autoencoder G∘E.

    `F`, `G`, `E` and `D` are Keras models, to be called on tensors and differentiated through. The methods below are
    for looking: they take and return NumPy arrays of `config.dtype`, in chunks, without gradients, and change nothing.

    Images have shape (batch, H, W, C) and range [−1, 1] (uint8 / 127.5 − 1). Where the configuration has labels,
    `generate`, `encode` and `reconstruct` need `labels`: class numbers of shape (batch,).
    """

    def __init__(self, config: Config, networks: Mapping[str, keras.Model]) -> None:
        self.config = config
        self.F, self.G, self.E, self.D = (networks[name] for name in "FGED")
        self.networks = dict(networks)
        #: every weight by name, such as "F/dense0/kernel", whatever backend holds it
        self.variables = {
            f"{name}/{v.path}": v for name, network in networks.items() for v in network.trainable_variables
        }

    def sample_prior(self, count: int, seed: int = 0) -> np.ndarray:
        """z ~ N(0, I), shape (count, z); the same bits on every backend."""
        return sample_prior(count, self.config.networks.z, seed=seed)

    def map(self, z: np.ndarray) -> np.ndarray:
        """w = F(z): (batch, z) to (batch, w)."""
        return self._in_chunks(self.F, z)

    def generate(self, w: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """x = G(w): (batch, w) to (batch, H, W, C); G is linear, so values may leave [−1, 1]."""
        return self._in_chunks(self.G, w, *self._one_hot(labels))

    def encode(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """w = E(x): (batch, H, W, C) to (batch, w). Raises ValueError where x has another image shape."""
        if np.shape(x)[1:] != self.config.image:
            raise ValueError(
                f"images must have shape (batch, {', '.join(map(str, self.config.image))}), but have {np.shape(x)}"
            )
        return self._in_chunks(self.E, x, *self._one_hot(labels))

    def discriminate(self, w: np.ndarray) -> np.ndarray:
        """The logit D(w): (batch, w) to (batch,); above 0 means real."""
        return self._in_chunks(self.D, w)

    def reconstruct(self, x: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """G(E(x)): (batch, H, W, C) to the same shape."""
        return self.generate(self.encode(x, labels), labels)

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of every weight, by the names of `variables`."""
        return {name: np.array(keras.ops.convert_to_numpy(variable.value)) for name, variable in self.variables.items()}

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take over every weight. Raises CheckpointError where a name or shape is missing, unknown or different."""
        require_same_arrays({name: tuple(v.shape) for name, v in self.variables.items()}, weights)
        for name, variable in self.variables.items():
            variable.assign(weights[name])

    def one_hot(self, labels: np.ndarray) -> np.ndarray:
        """Class numbers (batch,) as (batch, classes) of `config.dtype`. Raises ValueError for one that is no class."""
        labels = np.asarray(labels)
        if labels.size and not 0 <= labels.min() <= labels.max() < self.config.labels:
            raise ValueError(
                f"labels must lie in 0 … {self.config.labels - 1}, but reach from {labels.min()} to {labels.max()}"
            )
        return np.eye(self.config.labels, dtype=self.config.dtype)[labels]

    def _one_hot(self, labels: np.ndarray | None) -> list[np.ndarray]:
        if labels is None and self.config.labels:
            raise ValueError(f"the model was trained with {self.config.labels} labels: give the images' labels too")
        if labels is not None and not self.config.labels:
            raise ValueError("the model was trained without labels: leave labels away")
        return [] if labels is None else [self.one_hot(labels)]

    def _in_chunks(self, network: keras.Model, *inputs: np.ndarray) -> np.ndarray:
        arrays = [np.asarray(array, self.config.dtype) for array in inputs]
        outputs = [np.empty((0, *network.output_shape[1:]), self.config.dtype)]
        for start in range(0, len(arrays[0]), _CHUNK):
            chunk = [keras.ops.convert_to_tensor(array[start : start + _CHUNK]) for array in arrays]
            # A plain call: Keras' predict would donate weights on JAX that a runner holds.
            output = network(chunk if len(chunk) > 1 else chunk[0], training=False)
            outputs.append(keras.ops.convert_to_numpy(output))
        return np.concatenate(outputs)


def require_same_arrays(expected: Mapping[str, tuple[int, ...]], arrays: Mapping[str, np.ndarray]) -> None:
    """Raise CheckpointError unless `arrays` has exactly the expected names and shapes: loading is strict."""
    missing, unknown = sorted(expected.keys() - arrays.keys()), sorted(arrays.keys() - expected.keys())
    if missing or unknown:
        raise CheckpointError(
            f"the arrays do not fit the model: missing {missing[:3] or 'none'}, unknown {unknown[:3] or 'none'}"
        )
    for name, shape in expected.items():
        if tuple(arrays[name].shape) != shape:
            raise CheckpointError(f"{name} has shape {tuple(arrays[name].shape)}, but the model needs {shape}")
