"""Alae: the networks of one configuration, and what a person does with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, get_args

import keras
import numpy as np
from keras import ops

from alae_core._support.text import short_repr
from alae_core.config import Config
from alae_core.errors import ArgumentError, BackendError
from alae_core.framework import Tensor, framework_in_use
from alae_core.images import to_float
from alae_core.networks.family import Family
from alae_core.networks.features import without_gradients
from alae_core.networks.mlp import Perceptrons
from alae_core.networks.style import Styles
from alae_core.sizes import require_room
from alae_core.state import as_dtype, require_same_arrays
from alae_core.streams import Noise, noise_shapes, require_seed, sample_noise, sample_prior
from alae_core.truncation import truncate
from alae_core.updates import Update, updates_of
from alae_core.view import NoiseWord, View, require_psi

# Large enough to keep any processor busy, small enough that memory stays flat whatever the number of images.
_CHUNK, _CHUNK_PIXELS = 512, 2**22

#: by `config.networks.family`
FAMILIES: dict[str, type[Family]] = {"mlp": Perceptrons, "style": Styles}


def build(config: Config) -> "Alae":
    """The model of `config`, its initial weights decided by the configuration's seed: the same bits on every backend.

    Raises:
        BackendError: the framework was not opened for the configuration's precision.
        ConfigError: there is no such algorithm, or this machine's memory cannot hold the networks.
    """
    updates = updates_of(config)
    require_room(config)
    alae = Alae(FAMILIES[config.networks.family].build(config), updates)
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
    for looking: they take and return NumPy arrays of `config.dtype`, run compiled and in chunks, without gradients, and
    change nothing. They raise ArgumentError where an argument does not fit the model.

    Images have shape (batch, H, W, C) and are uint8, or floats in [−1, 1] (uint8 / 127.5 − 1). Where the configuration
    has labels, `generate`, `encode`, `reconstruct`, `w_of` and `reencode` need `labels`: class numbers of shape
    (batch,); F and D know nothing of them.

    Networks that grow are looked at where a `View` says; None is `self.view`.

    Attributes:
        config: what the model was built from.
        family: the networks, and what differs between kinds of them.
        updates: what a training step does to them.
        view: where the model is looked at unless one says otherwise: at its finest level if it was just built, where
            training had come to if it was loaded; None for networks that do not grow.
        w_mean: the running mean of w = F(z) over training, (w,), towards which styles are truncated: a Keras variable
            that no gradient reaches; None without styles.
    """

    def __init__(self, family: Family, updates: Sequence[Update]) -> None:
        self.family, self.config, self.updates = family, family.config, tuple(updates)
        self.view = family.finest
        self.w_mean = None
        if family.has_styles and "F" in family.networks:
            zeros = np.zeros(self.config.networks.w, self.config.dtype)
            self.w_mean = keras.Variable(zeros, trainable=False, dtype=self.config.dtype, name="w_mean")
        self._compiled: dict[Any, Callable[..., Any]] = {}

    @property
    def networks(self) -> dict[str, keras.Model]:
        """Every network by name."""
        return self.family.networks

    @property
    def variables(self) -> dict[str, Any]:
        """Every weight by name, such as "F/dense0/kernel", whatever backend holds it."""
        return self.family.variables

    @property
    def scales(self) -> dict[str, float]:
        """The constant that each weight is multiplied by when used: 1 but for equalized ones."""
        return self.family.scales

    @cached_property
    def state_variables(self) -> dict[str, Any]:
        """The model's own variables, by the names that a state has for them."""
        own = {f"weights/{name}": variable for name, variable in self.variables.items()}
        return own if self.w_mean is None else own | {"w_mean": self.w_mean}

    @property
    def F(self) -> keras.Model:
        """z to w."""
        return self.family["F"]

    @property
    def G(self) -> keras.Model:
        """w to images."""
        return self.family["G"]

    @property
    def E(self) -> keras.Model:
        """Images to w."""
        return self.family["E"]

    @property
    def D(self) -> keras.Model:
        """w to logits."""
        return self.family["D"]

    def has(self, networks: str) -> bool:
        """Whether the model has all of these networks, such as "GE"."""
        return set(networks) <= self.networks.keys()

    def update(self, name: str) -> Update:
        """The update of that name. Raises ArgumentError."""
        found = {update.name: update for update in self.updates}
        if name not in found:
            raise ArgumentError("update", f"is {name!r}: it should be one of {', '.join(found)}")
        return found[name]

    def __repr__(self) -> str:
        counts = {name: sum(prod(weight.shape) for weight in net.weights) for name, net in self.networks.items()}
        weights = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        return f"<Alae of {'×'.join(map(str, self.config.image))} images, weights {weights}; {self.config}>"

    # ---- looking ----

    def sample_prior(self, count: int, seed: int = 0) -> np.ndarray:
        """z ~ N(0, I), shape (count, z); the same bits on every backend."""
        return sample_prior(count, self.config.networks.z, seed=require_seed(seed))

    def sample_noise(self, count: int, seed: int = 0, view: View | None = None) -> list[np.ndarray]:
        """Noise for `generate`, a map for each layer of style networks; the same bits on every backend."""
        view = self._view(view)
        if view is None:
            raise ArgumentError("noise", "is for style networks: perceptrons have none")
        return sample_noise(view.lod, count, seed=require_seed(seed))

    def map(self, z: np.ndarray) -> np.ndarray:
        """w = F(z): (batch, z) to (batch, w)."""
        F = self.F
        return self._look("map", lambda z, at: F(z), [self._array("z", z, (self.config.networks.z,))])

    def truncate(self, w: np.ndarray, psi: float | None = None) -> np.ndarray:
        """Styles for each layer, (batch, 2L, w), the first `truncation_layers` truncated towards `w_mean`.

        `psi` is by default the configuration's; 1 truncates nothing. Only for style networks.
        """
        if self.w_mean is None:
            raise ArgumentError("psi", "is for style networks: perceptrons keep no mean of w")
        networks = self.config.style
        psi = require_psi(networks.truncation_psi if psi is None else psi)
        layers = 2 * self.config.lods
        w = self._array("w", w, (networks.w,), (layers, networks.w))
        return truncate(w, _copy(self.w_mean), psi, networks.truncation_layers, layers)

    def generate(
        self, w: np.ndarray, view: View | None = None, *, noise: Noise = "fixed", labels: np.ndarray | None = None
    ) -> np.ndarray:
        """x = G(w): (batch, H, W, C). G ends linear, so values may leave [−1, 1].

        Args:
            w: (batch, w), or for style networks a style for each layer, (batch, 2L, w); at a coarser level those of its
                layers are enough.
            view: where style networks are looked at.
            noise: what style networks add (`streams.Noise`); perceptrons add none, and pass over it.
            labels: the images' classes.
        """
        view = self._view(view)
        w, family = self._styles(w, view), self.family
        maps, word = self._noise(noise, view, len(w))

        def generate(w: Tensor, *rest: Tensor, at: Mapping[str, Any]) -> Tensor:
            noise, labels = _split(rest, len(maps))
            return family.generate(w, noise=noise or word, labels=labels, **at)

        return self._look(("generate", word, len(maps)), generate, [w, *maps, *self.one_hot(labels, len(w))], view)

    def encode(self, x: np.ndarray, view: View | None = None, *, labels: np.ndarray | None = None) -> np.ndarray:
        """w = E(x): (batch, H, W, C) to (batch, w); where reciprocity is z, an estimate of z."""
        x, family, view = self._images(x, view), self.family, self._view(view)

        def encode(x: Tensor, *labels: Tensor, at: Mapping[str, Any]) -> Tensor:
            return family.encode(x, labels=labels[0] if labels else None, **at)

        return self._look("encode", encode, [x, *self.one_hot(labels, len(x))], view)

    def hidden(self, x: np.ndarray, view: View | None = None, *, labels: np.ndarray | None = None) -> np.ndarray:
        """The widest hidden layer of E, (batch, n), which the paper calls long features; see `Family.hidden`.

        Raises AlaeError where E has no hidden layer.
        """
        x, family, view = self._images(x, view), self.family, self._view(view)

        def hidden(x: Tensor, *labels: Tensor, at: Mapping[str, Any]) -> Tensor:
            return family.hidden(x, labels=labels[0] if labels else None, **at)

        return self._look("hidden", hidden, [x, *self.one_hot(labels, len(x))], view)

    def discriminate(self, codes: np.ndarray, view: View | None = None) -> np.ndarray:
        """The logit D(w): (batch, w) to (batch,); above 0 means real.

        Where the configuration lets D look at images, `codes` are images (batch, H, W, C).
        """
        D = self.D
        if self.config.networks.discriminator == "latent":
            codes = self._array("codes", codes, (self.config.networks.w,))
            return self._look("discriminate", lambda w, at: D(w), [codes])
        codes = self._images(codes, view)
        # Such a D compares the images of a batch: none must be there that nobody gave.
        return self._look("discriminate", lambda x, at: D(x, **at), [codes], self._view(view), fill=False)

    def reconstruct(
        self, x: np.ndarray, view: View | None = None, *, noise: Noise = "fixed", labels: np.ndarray | None = None
    ) -> np.ndarray:
        """G(E(x)), or G(F(E(x))) where reciprocity is z: (batch, H, W, C) to the same shape; see `generate`."""
        x, family, view = self._images(x, view), self.family, self._view(view)
        maps, word = self._noise(noise, view, len(x))
        through = self.F if self.config.reciprocity == "z" else _itself

        def reconstruct(x: Tensor, *rest: Tensor, at: Mapping[str, Any]) -> Tensor:
            noise, labels = _split(rest, len(maps))
            w = through(family.encode(x, labels=labels, **at))
            return family.generate(w, noise=noise or word, labels=labels, **at)

        return self._look(
            ("reconstruct", word, len(maps)), reconstruct, [x, *maps, *self.one_hot(labels, len(x))], view
        )

    def reencode(
        self, w: np.ndarray, view: View | None = None, *, noise: Noise = "fixed", labels: np.ndarray | None = None
    ) -> np.ndarray:
        """E(G(w)), which reciprocity wants to be w again, or z of w = F(z): (batch, w); see `generate`."""
        view = self._view(view)
        w, family = self._styles(w, view), self.family
        maps, word = self._noise(noise, view, len(w))

        def reencode(w: Tensor, *rest: Tensor, at: Mapping[str, Any]) -> Tensor:
            noise, labels = _split(rest, len(maps))
            return family.encode(family.generate(w, noise=noise or word, labels=labels, **at), labels=labels, **at)

        return self._look(("reencode", word, len(maps)), reencode, [w, *maps, *self.one_hot(labels, len(w))], view)

    def w_of(self, x: np.ndarray, view: View | None = None, *, labels: np.ndarray | None = None) -> np.ndarray:
        """The w that G makes images like x of, (batch, w): E(x), or F(E(x)) where reciprocity is z."""
        codes = self.encode(x, view, labels=labels)
        return self.map(codes) if self.config.reciprocity == "z" else codes

    def as_seen(self, images: np.ndarray, view: View | None = None) -> np.ndarray:
        """Images of the view's size as floats, and as training shows them while the level fades in."""
        images, family, view = self._images(images, view), self.family, self._view(view)
        if view is None or view.blend == 1:
            return images
        return self._look("as_seen", lambda x, at: family.faded(x, at["blend"]), [images], view)

    def image_shape(self, view: View | None = None) -> tuple[int, int, int]:
        """Height, width and channels of the images of a view."""
        return self.family.image_shape(self._view(view))

    def chunks(self, count: int, view: View | None = None) -> Iterator[slice]:
        """`count` images in parts, each as many as the model works on at a time; no images are one empty part."""
        size = self._chunk(view)
        return (slice(start, min(start + size, count)) for start in range(0, max(count, 1), size))

    def _chunk(self, view: View | None) -> int:
        return max(1, min(_CHUNK, _CHUNK_PIXELS // prod(self.image_shape(view)[:2])))

    # ---- weights ----

    def weights(self) -> dict[str, np.ndarray]:
        """A copy of every weight, by the names of `variables`."""
        return {name: _copy(variable) for name, variable in self.variables.items()}

    def mean_of_w(self) -> np.ndarray | None:
        """A copy of the running mean of w."""
        return None if self.w_mean is None else _copy(self.w_mean)

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Take over every weight.

        Raises CheckpointError where a name or shape is missing, unknown or different, or a number beyond the model's.
        """
        require_same_arrays({name: tuple(v.shape) for name, v in self.variables.items()}, weights)
        # Copies: on JAX a variable may go on reading the array that it was given.
        copies = {name: np.array(as_dtype(name, weights[name], self.config.dtype)) for name in self.variables}
        for name, variable in self.variables.items():
            variable.assign(copies[name])

    def one_hot(self, labels: np.ndarray | None, count: int) -> list[np.ndarray]:
        """The class numbers of `count` images as [(count, classes)] of `config.dtype`; [] for a model without labels.

        Raises ArgumentError where labels are missing, not wanted, not `count`, or no classes of the model's.
        """
        classes = self.config.labels
        if labels is None or not classes:
            if classes:
                raise ArgumentError("labels", f"are missing: the model has {classes} classes, and needs the images'")
            if labels is not None:
                raise ArgumentError("labels", "were given, but the model was trained without labels: omit them")
            return []
        labels = np.asarray(labels)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise ArgumentError("labels", f"must be class numbers (batch,), but are {labels.dtype} {labels.shape}")
        if len(labels) != count:
            raise ArgumentError("labels", f"are {len(labels)}, but must be {count}, one for each image")
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            raise ArgumentError(
                "labels", f"must lie in 0 … {classes - 1}, but reach from {labels.min()} to {labels.max()}"
            )
        return [(labels[:, None] == np.arange(classes)).astype(self.config.dtype)]

    # ---- how ----

    def _view(self, view: View | None) -> View | None:
        return self.family.require(self.view if view is None else view)

    def _array(self, argument: str, array: np.ndarray, *shapes: tuple[int, ...]) -> np.ndarray:
        """`array`, of which each row has one of the shapes."""
        require_no_tensor(argument, array)
        try:
            found = np.asarray(array, self.config.dtype)
        except (TypeError, ValueError) as error:
            raise ArgumentError(argument, f"is {short_repr(array)}, but must be an array of numbers") from error
        if found.shape[1:] not in shapes or not found.ndim:
            expected = " or ".join(f"(batch, {', '.join(map(str, shape))})" for shape in shapes)
            raise ArgumentError(argument, f"must have shape {expected}, but has {found.shape}")
        return found

    def _styles(self, w: np.ndarray, view: View | None) -> np.ndarray:
        width = self.config.networks.w
        if view is None:
            return self._array("w", w, (width,))
        layers = range(2 * (view.lod + 1), 2 * self.config.lods + 1)
        return self._array("w", w, (width,), *((count, width) for count in layers))

    def _images(self, images: np.ndarray, view: View | None) -> np.ndarray:
        images, shape = require_images(images), self.image_shape(view)
        if images.shape[1:] != shape:
            raise ArgumentError(
                "images", f"must have shape (batch, {', '.join(map(str, shape))}), but have {images.shape}"
            )
        return np.asarray(to_float(images) if images.dtype == np.uint8 else images, self.config.dtype)

    def _noise(self, noise: Noise, view: View | None, count: int) -> tuple[list[np.ndarray], str | None]:
        """Noise as maps, or as the word that stands for them."""
        if view is None:
            if not isinstance(noise, str):
                raise ArgumentError("noise", "is for style networks: perceptrons have none")
            return [], None
        if isinstance(noise, str):
            if noise not in get_args(NoiseWord):
                words = ", ".join(get_args(NoiseWord))
                raise ArgumentError("noise", f"is {noise!r}: it should be {words} or a list of maps")
            if noise in ("none", "bump"):
                return [], "bump" if noise == "bump" else None
            fixed = noise == "fixed"
            seed = 0 if fixed else int(np.random.SeedSequence().generate_state(1)[0])
            noise = sample_noise(view.lod, 1 if fixed else count, seed=seed)
        for each in noise:
            require_no_tensor("noise", each)
        expected, shapes = noise_shapes(view.lod, count), [np.shape(each) for each in noise]
        # A map may always serve the whole batch, and the first may differ from image to image.
        fitting = len(shapes) == len(expected) and all(
            shape in ((count, *right[1:]), (1, *right[1:])) for shape, right in zip(shapes, expected, strict=True)
        )
        if not fitting:
            raise ArgumentError("noise", f"must be maps of shapes {expected}, but they have {shapes}")
        return [np.asarray(each, self.config.dtype) for each in noise], None

    def _look(
        self,
        what: Any,
        fn: Callable[..., Tensor],
        arrays: Sequence[np.ndarray],
        view: View | None = None,
        *,
        fill: bool = True,
    ) -> np.ndarray:
        """`fn` of the arrays in chunks, compiled; an array of length 1 beside a longer first one serves every chunk.

        Chunks keep few shapes, each compiled once: all have the same length, and the last a power of two, filled up
        with copies of its last row unless `fill` is false.
        """
        count, fading = len(arrays[0]), view is not None and view.blend < 1
        key = what, len(arrays), view and view.lod, fading
        if key not in self._compiled:
            self._compiled[key] = self._compile(fn, view, fading)
        compiled, outputs = self._compiled[key], []
        # A plain number would be another function at each step of a fade.
        blend = [np.asarray(view.blend, self.config.dtype)] if view is not None and fading else []
        weights = {name: ops.stop_gradient(variable.value) for name, variable in self.variables.items()}
        for part in self.chunks(count, view):
            length = part.stop - part.start
            filled = min(2 ** (length - 1).bit_length(), self._chunk(view)) if fill and length else length
            rows = [_filled(array[part], filled) if len(array) == count else array for array in arrays]
            tensors = [ops.convert_to_tensor(array) for array in [*blend, *rows]]
            outputs.append(ops.convert_to_numpy(compiled(weights, *tensors))[:length])
        return np.concatenate(outputs)

    def _compile(self, fn: Callable[..., Tensor], view: View | None, fading: bool) -> Callable[..., Tensor]:
        def whole(weights: Mapping[str, Tensor], *tensors: Tensor) -> Tensor:
            blend, *inputs = tensors if fading else (1.0, *tensors)
            at = {} if view is None else {"lod": view.lod, "blend": blend}
            state = {f"weights/{name}": weight for name, weight in weights.items()}
            with without_gradients(), self.family.use_weights(state):
                return fn(*inputs, at=at)

        framework = framework_in_use()
        return whole if framework is None else framework.compile(whole)


def require_images(images: np.ndarray) -> np.ndarray:
    """`images`, where they are an array (batch, H, W, C) of uint8 or of floats in [−1, 1].

    Raises ArgumentError for a framework's tensor, another shape or dtype, and floats of 0 … 255.
    """
    require_no_tensor("images", images)
    try:
        images = np.asarray(images)
    except ValueError as error:
        raise ArgumentError("images", f"are {short_repr(images)}, but must be an array (batch, H, W, C)") from error
    if images.ndim != 4 or not (images.dtype == np.uint8 or images.dtype.kind == "f"):
        raise ArgumentError(
            "images", f"must be uint8 or floats (batch, H, W, C), but are {images.dtype} of shape {images.shape}"
        )
    if images.dtype.kind == "f" and images.size and images.max() > 1.5 and images.min() >= 0:
        raise ArgumentError(
            "images", f"are floats of {images.min():g} … {images.max():g}: they should be uint8, or floats in [−1, 1]"
        )
    return images


def require_no_tensor(argument: str, array: Any) -> None:
    """Raise ArgumentError for a framework's tensor: NumPy would cut it off from its gradient, silently or not."""
    if ops.is_tensor(array) or isinstance(array, keras.Variable):
        raise ArgumentError(
            argument, "is a tensor, but methods of a model take NumPy arrays: call model.F, .G, .E or .D on tensors"
        )


def _split(rest: Sequence[Tensor], maps: int) -> tuple[list[Tensor], Tensor | None]:
    """Noise maps, and labels if there are any."""
    return list(rest[:maps]), rest[maps] if len(rest) > maps else None


def _filled(array: np.ndarray, length: int) -> np.ndarray:
    missing = length - len(array)
    return array if missing <= 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])


def _itself(w: Tensor) -> Tensor:
    return w


def _copy(variable: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(ops.stop_gradient(variable.value)))
