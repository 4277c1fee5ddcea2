"""Alae: the networks of one configuration, applied to NumPy arrays."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from alae_core.config import Config
from alae_core.errors import ArgumentError, BackendError
from alae_core.framework import Tensor, framework_in_use
from alae_core.inference import BatchedFunction, split
from alae_core.inputs import as_images, as_noise, as_rows, as_styles, one_hot
from alae_core.lookup import find_family
from alae_core.network_table import count_by_network, make_network_table
from alae_core.networks.family import Family
from alae_core.networks.features import without_gradients
from alae_core.parts import require_parts
from alae_core.sizes import require_room
from alae_core.spread import count_own_devices
from alae_core.state import as_dtype, require_same_arrays
from alae_core.streams import Noise, require_seed, sample_noise, sample_prior
from alae_core.truncation import truncate
from alae_core.updates import Update, updates_of
from alae_core.view import View

# Images per batch and device: large enough to keep any processor busy, small enough to bound memory.
_CHUNK, _CHUNK_PIXELS = 512, 2**22


def build(config: Config) -> "Alae":
    """Build the model of `config`. The seed decides its initial weights, with the same bits on every backend.

    Raises:
        BackendError: the framework was not opened for the configuration's precision.
        ConfigError: the algorithm is unknown, `config.freeze` names a part that the networks lack, or the networks do
            not fit into this machine's memory.
    """
    updates = updates_of(config)
    require_room(config)
    family = find_family(config.networks.family, config.plugins).load_networks()
    alae = Alae(family.build(config), updates)
    require_parts(config.freeze, alae.variables)
    dtypes = {keras.backend.standardize_dtype(variable.value.dtype) for variable in alae.variables.values()}
    if dtypes != {config.dtype}:
        # JAX silently converts float64 to float32.
        raise BackendError(
            f"precision {config.precision} needs {config.dtype} weights, but the framework made {dtypes.pop()} ones: "
            f"call load_backend(name, precision={config.precision!r}) before build"
        )
    return alae


class Alae:
    """An adversarial latent autoencoder: generator G∘F, discriminator D∘E, autoencoder G∘E.

    `F`, `G`, `E` and `D` are Keras models, to be called on tensors and differentiated. The methods below take and
    return NumPy arrays of `config.dtype`; only `as_seen` may return its argument. They run compiled, in batches and
    without gradients, and do not change the model. They raise ArgumentError if an argument does not fit the model.

    Images have shape (batch, H, W, C) and are uint8, or floats in [−1, 1] (uint8 / 127.5 − 1).

    If the configuration has labels, G and E take them; of style networks F and D instead. Methods that call one of
    these networks need the argument `labels`, class numbers of shape (batch,); other methods ignore it.

    A `View` selects the level of detail of networks that have levels; by default it is `self.view`.

    Attributes:
        config: the configuration that the model was built from.
        family: the networks, for calls on tensors.
        networks: every network by name.
        variables: every weight by name, such as "F/dense0/kernel": a Keras variable.
        scales: the constant that each weight is multiplied by when used: 1, except for equalized weights.
        updates: the updates of a training step.
        view: the default view: the finest level after `build`, the last level of training after `load`; None for
            networks without levels.
        w_mean: the running mean of w = F(z) over training, (w,), towards which styles are truncated: a Keras variable
            outside all gradients; None for networks without styles.
    """

    def __init__(self, family: Family, updates: Sequence[Update]) -> None:
        self.family, self.config, self.updates = family, family.config, tuple(updates)
        self.networks, self.variables, self.scales = family.networks, family.variables, family.scales
        self.view = family.finest
        self.w_mean = None
        if family.has_styles and "F" in family.networks:
            zeros = np.zeros(self.config.networks.w, self.config.dtype)
            self.w_mean = keras.Variable(zeros, trainable=False, dtype=self.config.dtype, name="w_mean")
        self._functions: dict[Any, BatchedFunction] = {}

    @cached_property
    def state_variables(self) -> dict[str, Any]:
        """The model's own variables by their names in a state: "weights/…" and "w_mean"."""
        own = {f"weights/{name}": variable for name, variable in self.variables.items()}
        return own if self.w_mean is None else own | {"w_mean": self.w_mean}

    # Each raises AlaeError if the model's algorithm lacks the network.
    F = property(lambda self: self.family.F, doc="F, a Keras model: z to w.")
    G = property(lambda self: self.family.G, doc="G, a Keras model: w to images.")
    E = property(lambda self: self.family.E, doc="E, a Keras model: images to w.")
    D = property(lambda self: self.family.D, doc="D, a Keras model: w to logits.")

    def has(self, networks: str) -> bool:
        """Return whether the model has all of these networks, such as "GE"."""
        return set(networks) <= self.networks.keys()

    def update(self, name: str) -> Update:
        """Return the update called `name`. Raises ArgumentError if there is none."""
        found = {update.name: update for update in self.updates}
        if name not in found:
            raise ArgumentError("update", f"is {name!r}: it should be one of {', '.join(found)}")
        return found[name]

    def __repr__(self) -> str:
        weights = ", ".join(f"{name} {count:,}" for name, count in count_by_network(self.networks).items())
        return f"<Alae of {'×'.join(map(str, self.config.image))} images, weights {weights}; {self.config}>"

    def _repr_html_(self) -> str:
        return make_network_table(self.config, count_by_network(self.networks))

    # ---- inference ----

    def sample_prior(self, count: int, seed: int = 0) -> np.ndarray:
        """z ~ N(0, I), shape (count, z); the same bits on every backend."""
        return sample_prior(count, self.config.networks.z, seed=require_seed(seed))

    def sample_noise(self, count: int, seed: int = 0, view: View | None = None) -> list[np.ndarray]:
        """Draw noise for `generate`, a map for each layer of style networks; the same bits on every backend."""
        view = self._view(view)
        if view is None:
            raise ArgumentError("noise", "is for style networks")
        return sample_noise(view.lod, count, seed=require_seed(seed))

    def map(self, z: np.ndarray, *, labels: np.ndarray | None = None) -> np.ndarray:
        """w = F(z): (batch, z) to (batch, w)."""
        z = as_rows(self.config, "z", z, (self.config.networks.z,))
        return self._run("map", z, labels=self._one_hot(labels, len(z), "F"))

    def truncate(self, w: np.ndarray, psi: float | None = None) -> np.ndarray:
        """Return styles for each layer, (batch, 2L, w), with the first `truncation_layers` truncated towards `w_mean`.

        Args:
            w: (batch, w), or already a style for each layer.
            psi: ψ in 0 … 1, by default the configuration's; 1 truncates nothing.

        Raises ArgumentError for networks without styles.
        """
        if self.w_mean is None:
            raise ArgumentError("psi", "is for style networks: others keep no mean of w")
        networks = self.config.style
        psi = networks.truncation_psi if psi is None else psi
        if not 0 <= psi <= 1:
            raise ArgumentError("psi", f"is {psi:g}: it must lie in 0 … 1")
        layers = 2 * self.config.lods
        w = as_rows(self.config, "w", w, (networks.w,), (layers, networks.w))
        return truncate(w, _copy(self.w_mean), psi, networks.truncation_layers, layers)

    def generate(
        self, w: np.ndarray, view: View | None = None, *, noise: Noise = "fixed", labels: np.ndarray | None = None
    ) -> np.ndarray:
        """x = G(w): (batch, H, W, C). Unless `networks.output` is tanh, values may leave [−1, 1].

        Args:
            w: (batch, w), or for style networks a style for each layer, (batch, 2L, w); at a coarser level the styles
                of its layers are enough.
            noise: the noise of style networks (`streams.Noise`); others ignore it.
        """
        view = self._view(view)
        w = as_styles(self.config, w, view)
        return self._run("generate", w, view, noise=noise, labels=self._one_hot(labels, len(w), "G"))

    def encode(self, x: np.ndarray, view: View | None = None, *, labels: np.ndarray | None = None) -> np.ndarray:
        """w = E(x): (batch, H, W, C) to (batch, w); if reciprocity is z, an estimate of z."""
        x = self._images(x, view)
        return self._run("encode", x, self._view(view), labels=self._one_hot(labels, len(x), "E"))

    def hidden(self, x: np.ndarray, view: View | None = None, *, labels: np.ndarray | None = None) -> np.ndarray:
        """Return the widest hidden layer of E, (batch, n), which the paper calls long features; see `Family.hidden`.

        Raises AlaeError if E has no hidden layer.
        """
        x = self._images(x, view)
        return self._run("hidden", x, self._view(view), labels=self._one_hot(labels, len(x), "E"))

    def discriminate(
        self, codes: np.ndarray, view: View | None = None, *, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the logit D(w): (batch, w) to (batch,); above 0 means real.

        If D judges images in this configuration, `codes` are images (batch, H, W, C).
        """
        if self.config.networks.discriminator == "latent":
            codes = as_rows(self.config, "codes", codes, (self.config.networks.w,))
            return self._run("discriminate", codes, labels=self._one_hot(labels, len(codes), "D"))
        images = self._images(codes, view)
        classes = self._one_hot(labels, len(images), "D")
        # Such a D compares the images of a batch, so the batch must not be padded.
        return self._run("discriminate", images, self._view(view), labels=classes, pad=False)

    def reconstruct(
        self, x: np.ndarray, view: View | None = None, *, noise: Noise = "fixed", labels: np.ndarray | None = None
    ) -> np.ndarray:
        """G(E(x)), or G(F(E(x))) if reciprocity is z: (batch, H, W, C) to the same shape; see `generate`."""
        x = self._images(x, view)
        classes = self._one_hot(labels, len(x), "GEF" if self.config.reciprocity == "z" else "GE")
        return self._run("reconstruct", x, self._view(view), noise=noise, labels=classes)

    def reencode(
        self, w: np.ndarray, view: View | None = None, *, noise: Noise = "fixed", labels: np.ndarray | None = None
    ) -> np.ndarray:
        """E(G(w)), which reciprocity trains to equal w, or z where w = F(z): (batch, w); see `generate`."""
        view = self._view(view)
        w = as_styles(self.config, w, view)
        return self._run("reencode", w, view, noise=noise, labels=self._one_hot(labels, len(w), "GE"))

    def w_of(self, x: np.ndarray, view: View | None = None, *, labels: np.ndarray | None = None) -> np.ndarray:
        """Return the w from which G reconstructs x, (batch, w): E(x), or F(E(x)) if reciprocity is z."""
        codes = self.encode(x, view, labels=labels)
        return self.map(codes, labels=labels) if self.config.reciprocity == "z" else codes

    def as_seen(self, images: np.ndarray, view: View | None = None) -> np.ndarray:
        """Return images of the view's size as floats, faded like the real images that training shows in that view.

        The result may be `images` itself.
        """
        images, view = self._images(images, view), self._view(view)
        return images if view is None or view.blend == 1 else self._run("fade", images, view)

    def image_shape(self, view: View | None = None) -> tuple[int, int, int]:
        """Return the height, width and channels of the images of a view."""
        return self.family.image_shape(self._view(view))

    def chunks(self, count: int, view: View | None = None) -> Iterator[slice]:
        """Yield slices of `count` images, each as large as the model's own batches; see `inference.split`."""
        return split(count, self.batch_size(view))

    def batch_size(self, view: View | None = None) -> int:
        """Return the maximum number of images in one of the model's own batches."""
        devices = count_own_devices(framework_in_use())
        return devices * max(1, min(_CHUNK, _CHUNK_PIXELS // prod(self.image_shape(view)[:2])))

    # ---- weights ----

    def weights(self) -> dict[str, np.ndarray]:
        """Return a copy of every weight, with the names of `variables`."""
        return {name: _copy(variable) for name, variable in self.variables.items()}

    def mean_of_w(self) -> np.ndarray | None:
        """Return a copy of `w_mean`."""
        return None if self.w_mean is None else _copy(self.w_mean)

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Replace every weight.

        Raises CheckpointError if a name or shape is missing, unknown or different, or if the model's dtype cannot hold
        a number.
        """
        require_same_arrays({name: tuple(v.shape) for name, v in self.variables.items()}, weights)
        # Copies: on JAX a variable may keep reading the array that it was given.
        copies = {name: np.array(as_dtype(name, weights[name], self.config.dtype)) for name in self.variables}
        for name, variable in self.variables.items():
            variable.assign(copies[name])

    def _one_hot(self, labels: np.ndarray | None, count: int, networks: str) -> list[np.ndarray]:
        """Return `inputs.one_hot` if one of the networks takes labels, or the model has none; otherwise []."""
        ignores = self.config.labels and not any(map(self.config.classes_of, networks))
        return [] if ignores else one_hot(self.config, labels, count)

    def _view(self, view: View | None) -> View | None:
        return self.family.require(self.view if view is None else view)

    def _images(self, images: np.ndarray, view: View | None) -> np.ndarray:
        return as_images(self.config, images, self.image_shape(view))

    def _run(
        self,
        method: str,
        rows: np.ndarray,
        view: View | None = None,
        *,
        noise: Noise | None = None,
        labels: Sequence[np.ndarray] = (),
        pad: bool = True,
    ) -> np.ndarray:
        """Call a method of `Family` on arrays.

        Args:
            method: its name in `Family`.
            rows: its first argument.
            view: the level of detail to pass.
            noise: the noise to pass, if the method takes noise.
            labels: [one-hot labels] to pass, or nothing.
            pad: whether batches may be padded.
        """
        maps, mode = ([], None) if noise is None else as_noise(self.config, noise, view, len(rows))
        fading, size = view is not None and view.blend < 1, self.batch_size(view)
        key = method, mode, len(maps), len(labels), view and view.lod, fading, size

        def call(state: Mapping[str, Tensor], rows: Tensor, maps: list[Tensor], labels: list[Tensor]) -> Tensor:
            given: dict[str, Any] = {} if noise is None else {"noise": maps or mode}
            if labels:
                given["labels"] = labels[0]
            if view is not None:
                given |= {"lod": view.lod, "blend": state["blend"] if fading else 1.0}
            with without_gradients(), self.family.use_weights(state):
                return getattr(self.family, method)(rows, **given)

        if key not in self._functions:
            self._functions[key] = BatchedFunction(call, size, least=1 if pad else None)
        state = {f"weights/{name}": ops.stop_gradient(weight.value) for name, weight in self.variables.items()}
        if view is not None and fading:
            # Passed as a tensor, because a Python number would be compiled into the function.
            state["blend"] = ops.convert_to_tensor(np.asarray(view.blend, self.config.dtype))
        return self._functions[key](state, rows, maps, list(labels))


def _copy(variable: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(ops.stop_gradient(variable.value)))
