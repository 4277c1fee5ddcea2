"""The methods of a model (`alae_core.model.Alae`) at given weights: one pass, without batches or compilation."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from alae_conformance.reference.draws import stream_of
from alae_conformance.reference.growth import position, show_at_level
from alae_conformance.reference.layers import Array
from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import Batch
from alae_core.config import Config
from alae_core.errors import ArgumentError, CheckpointError
from alae_core.view import View

#: the size of a model's own batches in images, and in pixels
_IMAGES, _PIXELS = 512, 2**22
Noise = str | Sequence[Array]


class Model:
    """The networks of a reference at some weights; methods have the names, arguments and results of those of `Alae`.

    Attributes:
        view: the view that methods use by default; None for networks without levels.
    """

    def __init__(
        self, reference: Reference, weights: Mapping[str, Array], mean: Array | None, view: View | None
    ) -> None:
        self.reference, self.config, self.view = reference, reference.config, view
        self._weights, self._mean = dict(weights), mean

    # ---- networks --------------------------------------------------------------------------------------------------

    def has(self, networks: str) -> bool:
        return all(name in self.reference.networks for name in networks)

    def update(self, name: str) -> str:
        _refuse("update", name not in self.reference.trains())
        return name

    def map(self, z: Array, *, labels: Array | None = None) -> Array:
        _refuse("z", z.shape[1] != self.config.networks.z)
        self._require_labels(labels, len(z), "F")
        return self.reference.map(self._weights, z, self._batch(labels, None).labels).output.value

    def F(self, z: Array) -> Array:
        return self.reference.networks["F"].forward(self._weights, z).output.value

    def D(self, w: Array) -> Array:
        return self.reference.networks["D"].forward(self._weights, w).output.value

    def truncate(self, w: Array, psi: float | None = None) -> Array:
        _refuse("psi", self.config.growth is None or (psi is not None and not 0 <= psi <= 1))
        style = self.config.style
        psi = style.truncation_psi if psi is None else psi
        layers = 2 * self.config.lods
        styles = np.array(np.broadcast_to(w[:, None], (len(w), layers, w.shape[1])) if w.ndim == 2 else w, np.float64)
        nearest = styles[:, : style.truncation_layers]
        nearest += (1 - psi) * (np.asarray(self._mean) - nearest)
        return styles

    def generate(
        self, w: Array, view: View | None = None, *, noise: Noise = "fixed", labels: Array | None = None
    ) -> Array:
        _refuse("w", w.shape[-1] != self.config.networks.w)
        self._require_labels(labels, len(w), "G")
        batch = self._batch(labels, view)
        if self.config.growth is None:
            _refuse("noise", not isinstance(noise, str))
        else:
            batch = batch._replace(noise=self._maps(noise, self._view(view), len(w)))
        return self.reference.generate(self._weights, w, batch).output.value

    def encode(self, x: Array, view: View | None = None, *, labels: Array | None = None) -> Array:
        self._require_images(x, view)
        return self.reference.encode(self._weights, to_floats(x), self._batch(labels, view)).output.value

    def hidden(self, x: Array, view: View | None = None, *, labels: Array | None = None) -> Array:
        encoder, x = self.reference.networks["E"], to_floats(x)
        if self.config.networks.family == "style":
            return encoder.hidden(self._weights, x, blend=self._batch(labels, view).blend)
        if self.config.networks.family == "conv":
            return encoder.hidden(self._weights, x)
        return encoder.hidden(self._weights, x, self._batch(labels, view).labels)

    def discriminate(self, codes: Array, view: View | None = None, *, labels: Array | None = None) -> Array:
        batch = self._batch(labels, view)
        if self.config.networks.discriminator == "latent":
            return self.reference.judge(self._weights, codes, batch.labels).output.value
        # In batches, because D compares the images of each.
        parts = list(self.chunks(len(codes), view)) if len(codes) else []
        classes = [None if batch.labels is None else batch.labels[part] for part in parts]
        logits = [
            self.reference.score(self._weights, to_floats(codes[part]), batch._replace(labels=own)).output.value
            for part, own in zip(parts, classes, strict=True)
        ]
        return np.concatenate([np.zeros(0), *logits])

    def reconstruct(
        self, x: Array, view: View | None = None, *, noise: Noise = "fixed", labels: Array | None = None
    ) -> Array:
        return self.generate(self.w_of(x, view, labels=labels), view, noise=noise, labels=labels)

    def reencode(
        self, w: Array, view: View | None = None, *, noise: Noise = "fixed", labels: Array | None = None
    ) -> Array:
        return self.encode(self.generate(w, view, noise=noise, labels=labels), view, labels=labels)

    def w_of(self, x: Array, view: View | None = None, *, labels: Array | None = None) -> Array:
        codes = self.encode(x, view, labels=labels)
        return self.map(codes, labels=labels) if self.config.reciprocity == "z" else codes

    # ---- images, batches and random numbers ------------------------------------------------------------------------

    def as_seen(self, images: Array, view: View | None = None) -> Array:
        self._require_images(images, view)
        view, floats = self._view(view), to_floats(images)
        return floats if view is None else show_at_level(floats, view.lod, view.blend)

    def image_shape(self, view: View | None = None) -> tuple[int, ...]:
        levels = self.config.lods if self.config.growth else 0
        _refuse("lod", view is not None and view.lod >= levels)
        view, (height, width, channels) = self._view(view), self.config.image
        return (height, width, channels) if view is None else (4 * 2**view.lod, 4 * 2**view.lod, channels)

    def batch_size(self, view: View | None = None) -> int:
        return max(1, min(_IMAGES, _PIXELS // prod(self.image_shape(view)[:2])))

    def chunks(self, count: int, view: View | None = None) -> Iterator[slice]:
        size = self.batch_size(view)
        return (slice(first, min(first + size, count)) for first in range(0, max(count, 1), size))

    def sample_prior(self, count: int, seed: int = 0) -> Array:
        _refuse("seed", not 0 <= seed < 2**63)
        return stream_of(seed, "prior").standard_normal((count, self.config.networks.z), dtype=np.float32)

    def sample_noise(self, count: int, seed: int = 0, view: View | None = None) -> list[Array]:
        sides = [4 * 2 ** (layer // 2) for layer in range(self._layers(view))]
        shapes = [(count if layer else 1, side, side, 1) for layer, side in enumerate(sides)]
        return [
            stream_of(seed, "noise", layer).standard_normal(shape, dtype=np.float32)
            for layer, shape in enumerate(shapes)
        ]

    # ---- weights ---------------------------------------------------------------------------------------------------

    def weights(self) -> dict[str, Array]:
        return {name: np.array(array) for name, array in self._weights.items()}

    def mean_of_w(self) -> Array | None:
        return None if self._mean is None else np.array(self._mean)

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        if weights.keys() != self._weights.keys():
            raise CheckpointError("the weights do not fit the model")
        if any(np.any(np.abs(array) > np.finfo(np.float32).max) for array in weights.values()):
            raise CheckpointError("float32 cannot hold a weight")
        self._weights = {name: np.array(weights[name], np.float64) for name in self._weights}

    def _view(self, view: View | None) -> View | None:
        return self.view if view is None else view

    def _require_images(self, images: Array, view: View | None) -> None:
        """Refuse images of other shapes and dtypes, and grey levels as floats."""
        _refuse("images", images.shape[1:] != self.image_shape(view))
        _refuse("images", images.dtype.kind != "f" and images.dtype != np.uint8)
        _refuse("images", images.dtype.kind == "f" and images.size > 0 and images.min() >= 0 and images.max() > 1.5)

    def _require_labels(self, labels: Array | None, count: int, network: str) -> None:
        """Refuse class numbers that do not fit the network that takes them."""
        if self.config.classes_of(network):
            _refuse("labels", labels is None or len(labels) != count or labels.dtype.kind not in "iu")
        _refuse("labels", labels is not None and not self.config.labels)

    def _batch(self, labels: Array | None, view: View | None) -> Batch:
        view, none = self._view(view), np.empty(0)
        _refuse("labels", labels is not None and not all(0 <= label < self.config.labels for label in labels))
        one_hot = None if labels is None else np.eye(self.config.labels)[labels]
        return Batch(none, none, labels=one_hot, blend=1.0 if view is None else view.blend)

    def _layers(self, view: View | None) -> int:
        view = self._view(view)
        return 0 if view is None else 2 * (view.lod + 1)

    def _maps(self, noise: Noise, view: View | None, count: int) -> Sequence[Any]:
        layers = self._layers(view)
        if noise == "bump":
            return [None] * layers
        if noise == "none":
            return [np.zeros((1, 1, 1, 1))] * layers
        if noise == "fixed":
            return self.sample_noise(1, 0, view)
        if noise == "random":
            return self.sample_noise(count, int(np.random.default_rng().integers(2**63)), view)
        _refuse("noise", isinstance(noise, str) or len(noise) != layers)
        return noise


def _refuse(argument: str, wrong: bool) -> None:
    """Raise ArgumentError if an argument is wrong."""
    if wrong:
        raise ArgumentError(argument, "is not one that a model accepts")


def to_floats(images: Array) -> Array:
    """Return images in [−1, 1]; bytes are divided in float32, as backends do."""
    if images.dtype != np.uint8:
        return images
    return (images.astype(np.float32) / np.float32(127.5) - np.float32(1)).astype(np.float64)


def view_of(config: Config, step: int) -> View | None:
    """Return the view of a checkpoint after `step` training steps: that of its last step."""
    here = position(config, max(step - 1, 0))
    return None if here.lod is None else View(here.lod, here.blend)
