"""Alae: the four networks, and what a person does with them."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from alae_core.config import Config, StyleNetworks
from alae_core.errors import BackendError, CheckpointError
from alae_core.growth import real_images
from alae_core.latents import noise_shapes, sample_noise, sample_prior, truncate
from alae_core.networks.mlp import build_mlp
from alae_core.networks.style import build_style, takes_part

# Large enough to keep any processor busy, small enough that memory stays flat whatever the number of images.
_CHUNK, _CHUNK_PIXELS = 512, 2**22


def build(config: Config, seed: int = 0) -> "Alae":
    """The model of `config`, its initial weights decided by `seed`: the same bits on every backend.

    Raises BackendError where the framework was not opened for the configuration's precision.
    """
    networks = build_style(config, seed) if isinstance(config.networks, StyleNetworks) else build_mlp(config, seed)
    alae = Alae(config, networks)
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
    `generate`, `encode` and `reconstruct` need `labels`: class numbers of shape (batch,). Style networks work at any
    level of detail: at `lod` images are of 4·2^lod pixels (None is the last, the configuration's own size), of which
    `blend` says how far it has faded in. Where an argument is one that only the other family of networks has,
    ValueError is raised.
    """

    def __init__(self, config: Config, networks: Mapping[str, keras.Model]) -> None:
        self.config = config
        self.F, self.G, self.E, self.D = (networks[name] for name in "FGED")
        self.networks = dict(networks)
        self.is_style = isinstance(config.networks, StyleNetworks)
        #: every weight by name, such as "F/dense0/kernel", whatever backend holds it
        self.variables = {
            f"{name}/{v.path.removeprefix(name + '/')}": v
            for name, network in networks.items()
            for v in network.trainable_variables
        }
        #: the constant that each weight is multiplied by when used: 1 but for equalized ones
        self.scales = {name: getattr(v, "equalized_by", 1.0) for name, v in self.variables.items()}
        #: the running mean of w = F(z) over training, (w,), towards which styles are truncated; None without styles
        self.w_mean = np.zeros(config.networks.w, config.dtype) if self.is_style else None

    def sample_prior(self, count: int, seed: int = 0) -> np.ndarray:
        """z ~ N(0, I), shape (count, z); the same bits on every backend."""
        return sample_prior(count, self.config.networks.z, seed=seed)

    def sample_noise(self, count: int, seed: int = 0, lod: int | None = None) -> list[np.ndarray]:
        """Noise for `generate`, a map for each layer of style networks; the same bits on every backend."""
        return sample_noise(self._level(lod, 1.0)["lod"], count, seed=seed)

    def map(self, z: np.ndarray) -> np.ndarray:
        """w = F(z): (batch, z) to (batch, w)."""
        return self._in_chunks(self.F, z)

    def truncate(self, w: np.ndarray, psi: float | None = None) -> np.ndarray:
        """Styles for each layer, (batch, 2L, w), the first `truncation_layers` drawn to `w_mean` by `latents.truncate`.

        `psi` is by default the configuration's. Only for style networks.
        """
        networks = self.config.networks
        if not isinstance(networks, StyleNetworks) or self.w_mean is None:
            raise ValueError("truncation is for style networks: mlp networks keep no mean of w")
        psi = networks.truncation_psi if psi is None else psi
        return truncate(w, self.w_mean, psi, networks.truncation_layers, 2 * self.config.lods)

    def generate(
        self,
        w: np.ndarray,
        lod: int | None = None,
        blend: float = 1.0,
        noise: str | Sequence[np.ndarray] | None = None,
        *,
        labels: np.ndarray | None = None,
    ) -> np.ndarray:
        """x = G(w): (batch, H, W, C). G ends linear, so values may leave [−1, 1].

        Args:
            w: (batch, w), or for style networks a style for each layer, (batch, 2L, w).
            lod, blend: the level of detail, and how far it has faded in.
            noise: None draws a map for each layer, others at every call; "zero" adds none; "bump" adds what the
                authors' code does when told to leave noise out; or a list of 2·(lod + 1) maps (batch, R, R, 1), R the
                layer's resolution, the first of batch 1, as `sample_noise` makes them.
            labels: the images' classes.
        """
        condition, level = self._one_hot(labels), self._level(lod, blend)
        if not self.is_style:
            if noise is not None:
                raise ValueError("noise is for style networks: mlp networks have none")
            return self._in_chunks(self.G, w, *condition)
        if noise is None:
            entropy = np.random.SeedSequence().generate_state(1)
            noise = self.sample_noise(len(w), int(entropy[0]), level["lod"])
        if isinstance(noise, str):
            if noise not in ("zero", "bump"):
                raise ValueError(f"noise is {noise!r}: it should be None, 'zero', 'bump' or a list of maps")
            return self._in_chunks(self.G, w, noise=None if noise == "zero" else noise, **level)
        expected = noise_shapes(level["lod"], len(w))
        shapes = [np.shape(each) for each in noise]
        # A map may always serve the whole batch, and the first may differ from image to image.
        fitting = len(shapes) == len(expected) and all(
            shape in ((len(w), *right[1:]), (1, *right[1:])) for shape, right in zip(shapes, expected, strict=True)
        )
        if not fitting:
            raise ValueError(f"noise must be maps of shapes {expected}, but they have {shapes}")
        return self._in_chunks(lambda given, **at: self.G(given[0], noise=given[1:], **at), w, *noise, **level)

    def encode(
        self, x: np.ndarray, lod: int | None = None, blend: float = 1.0, *, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """w = E(x): (batch, H, W, C) to (batch, w); where reciprocity is z, an estimate of z.

        Raises ValueError where x is not of the image shape that the configuration, or level `lod`, has.
        """
        level = self._level(lod, blend)
        self._require_images(x, level)
        return self._in_chunks(self.E, x, *self._one_hot(labels), **level)

    def discriminate(self, codes: np.ndarray, lod: int | None = None, blend: float = 1.0) -> np.ndarray:
        """The logit D(w): (batch, w) to (batch,); above 0 means real.

        Where the configuration lets D look at images, `codes` are images (batch, H, W, C), of level `lod`.
        """
        if self.config.networks.discriminator == "latent":
            return self._in_chunks(self.D, codes)
        level = self._level(lod, blend)
        self._require_images(codes, level)
        return self._in_chunks(self.D, codes, **level)

    def reconstruct(
        self,
        x: np.ndarray,
        lod: int | None = None,
        blend: float = 1.0,
        noise: str | Sequence[np.ndarray] | None = None,
        *,
        labels: np.ndarray | None = None,
    ) -> np.ndarray:
        """G of `w_of(x)`: (batch, H, W, C) to the same shape; see `generate`."""
        return self.generate(self.w_of(x, lod, blend, labels=labels), lod, blend, noise, labels=labels)

    def w_of(
        self, x: np.ndarray, lod: int | None = None, blend: float = 1.0, *, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """The w that G makes images like x of, (batch, w): E(x), or F(E(x)) where reciprocity is z."""
        codes = self.encode(x, lod, blend, labels=labels)
        return self.map(codes) if self.config.reciprocity == "z" else codes

    def at_level(self, images: np.ndarray, lod: int | None = None, blend: float = 1.0) -> np.ndarray:
        """Images of the configuration's size as level `lod` is shown them: see `growth.real_images`."""
        level = self._level(lod, blend)
        if not level:
            return images
        self._require_images(images, self._level(None, 1.0))
        return self._in_chunks(real_images, images, **level)

    def level_of(self, images: Any) -> int | None:
        """The level of detail that images (batch, H, W, C) are of; None for networks that have none."""
        return (images.shape[1] // 4).bit_length() - 1 if self.is_style else None

    def takes_part(self, weight: str, lod: int | None) -> bool:
        """Whether the weight of that name is used at level of detail `lod`."""
        return lod is None or takes_part(weight, lod)

    def chunks(self, count: int) -> list[slice]:
        """`count` images in parts, each as many as the model works on at a time; no images are one empty part."""
        size = max(1, min(_CHUNK, _CHUNK_PIXELS // prod(self.config.image[:2])))
        return [slice(start, start + size) for start in range(0, max(count, 1), size)]

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

    def _level(self, lod: int | None, blend: float) -> dict[str, Any]:
        """The keywords that say to G and E at which level of detail to work."""
        if not self.is_style:
            if lod is not None or blend != 1:
                raise ValueError("levels of detail are for style networks: leave lod and blend away")
            return {}
        lod = self.config.lods - 1 if lod is None else lod
        if not 0 <= lod < self.config.lods:
            raise ValueError(f"lod is {lod}, but the model has the levels 0 … {self.config.lods - 1}")
        if not 0 <= blend <= 1:
            raise ValueError(f"blend is {blend}, but must lie in 0 … 1")
        # A number of NumPy's own would become a float64 tensor under TensorFlow.
        return {"lod": lod, "blend": float(blend)}

    def _require_images(self, x: np.ndarray, level: Mapping[str, Any]) -> None:
        height, width, channels = self.config.image
        size = 4 * 2 ** level["lod"] if level else None
        shape = (size or height, size or width, channels)
        if np.shape(x)[1:] != shape:
            raise ValueError(f"images must have shape (batch, {', '.join(map(str, shape))}), but have {np.shape(x)}")

    def _in_chunks(self, network: Callable[..., Any], *inputs: np.ndarray, **choices: Any) -> np.ndarray:
        """`network` of the inputs and choices; an input of length 1 serves every chunk."""
        arrays = [np.asarray(array, self.config.dtype) for array in inputs]
        # Values without a past: PyTorch would keep every intermediate result for gradients that nobody asks for.
        values = [(variable, ops.stop_gradient(variable.value)) for variable in self.variables.values()]
        outputs = []
        for part in self.chunks(len(arrays[0])):
            chunk = [ops.convert_to_tensor(array if len(array) == 1 else array[part]) for array in arrays]
            # A plain call: Keras' predict would donate weights on JAX that a runner holds.
            with keras.StatelessScope(state_mapping=values):
                outputs.append(ops.convert_to_numpy(network(chunk if len(chunk) > 1 else chunk[0], **choices)))
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
