"""A family of architectures: its networks, how they are called, and its levels of detail.

This module imports Keras when networks are built or called, so that plug-ins can define families before a backend is
chosen.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast

from alae_core._support.lazy import load_object
from alae_core.algorithms import SHAPES, Shape
from alae_core.config import Config
from alae_core.errors import AlaeError, ArgumentError
from alae_core.lookup import find_algorithm
from alae_core.networks.keras_models import list_weights, prepare_keras, require_model
from alae_core.networks.layout import network_section
from alae_core.networks.specs import Section
from alae_core.view import View

if TYPE_CHECKING:
    import keras

Tensor = Any


class Family(ABC):
    """The networks of one model, and how they are called on tensors.

    To add a family, write a subclass with `generator` and `encoder`, and a `FamilyDefinition` that names it: in
    `alae_core.families.FAMILIES`, or in a plug-in (docs/your-own.md). Methods take and return tensors, so losses can
    differentiate them; a family ignores arguments that it does not use.

    Attributes:
        config: the configuration that the networks were built from.
        networks: Keras models by name.
        variables: every weight by name, such as "F/dense0/kernel"; the names are the same on every backend.
        layout: the spec of each weight, by name.
        scales: the constant that each weight is multiplied by when used: 1, except for equalized weights.
    """

    #: whether images are generated from noise and from styles that can be mixed and truncated
    has_styles: ClassVar[bool] = False

    def __init__(self, config: Config, networks: Mapping[str, "keras.Model"]) -> None:
        self.config, self.networks = config, dict(networks)
        found = {name: pair for network in self.networks.items() for name, pair in list_weights(*network).items()}
        self.variables = {name: variable for name, (variable, _) in found.items()}
        self.layout = {name: spec for name, (_, spec) in found.items()}
        self.scales = {name: spec.scale for name, spec in self.layout.items()}

    def __getitem__(self, name: str) -> "keras.Model":
        """Return the network called `name`. Raises AlaeError if the algorithm has none."""
        if name not in self.networks:
            raise AlaeError(f"the model has no network {name}: {self.config.algorithm} has {', '.join(self.networks)}")
        return self.networks[name]

    @property
    def F(self) -> "keras.Model":
        """z (batch, z) to w (batch, w); in style networks with labels, a list [z, one-hot labels] to w."""
        return self["F"]

    @property
    def G(self) -> "keras.Model":
        """w to images."""
        return self["G"]

    @property
    def E(self) -> "keras.Model":
        """Images to w."""
        return self["E"]

    @property
    def D(self) -> "keras.Model":
        """w, or images if `networks.discriminator` is images, to logits (batch,).

        In style networks with labels, a list [w, one-hot labels] to logits, or images with the argument `labels`.
        """
        return self["D"]

    @contextmanager
    def use_weights(self, state: Mapping[str, Tensor]) -> Iterator[None]:
        """Compute with the tensors "weights/…" of a state instead of the networks' own weights."""
        import keras

        values = [(variable, state[f"weights/{name}"]) for name, variable in self.variables.items()]
        with keras.StatelessScope(values):
            yield

    @classmethod
    def build(cls, config: Config) -> "Family":
        """Build the networks of `config.algorithm`. The seed and each network's name decide its initial weights.

        Raises ConfigError if the algorithm is unknown, and AlaeError if a plug-in's function returns no Keras model, or
        one with weights that are not trained.
        """
        shapes = find_algorithm(config.algorithm, config.plugins).networks
        networks = {}
        for name, shape in shapes.items():
            with prepare_keras(config, name):
                networks[name] = require_model(name, cls.network(config, name, shape))
            takes_labels = isinstance(shape, str) and config.classes_of(shape)
            if takes_labels and len(getattr(networks[name], "inputs", None) or "two") == 1:
                raise AlaeError(f"labels is {config.labels}, but the network {name} has no input for them: set it to 0")
        return cls(config, networks)

    @classmethod
    def network(cls, config: Config, name: str, shape: Any) -> "keras.Model":
        """Build one network of `config`, called `name`; see `Algorithm.networks` for `shape`."""
        import keras

        from alae_core.networks.perceptron import build_labelled_mapping, build_perceptron

        if shape not in SHAPES:
            return load_object(shape)(config, name)
        part = network_section(config, name, cast(Shape, shape))
        match shape:
            case "F":
                if config.classes_of("F"):
                    return build_labelled_mapping(part, config)
                return build_perceptron(part, config.networks.F, config, normalizes=config.networks.normalize_w)
            case "G":
                return cls.generator(config, part)
            case "E":
                return cls.encoder(config, part)
            case "D":
                return cls.discriminator(config, part)
            case "pair":
                return build_perceptron(part, config.networks.D, config, is_scalar=True)
            case "identity":
                x = keras.Input((config.networks.w,), name="vector", dtype=config.dtype)
                return keras.Model(x, keras.layers.Identity(dtype=config.dtype)(x), name=name)

    @classmethod
    @abstractmethod
    def generator(cls, config: Config, section: Section) -> "keras.Model":
        """Build G of `config`, called `section.name`: a Keras model from (batch, w) to (batch, H, W, C).

        If `config.labels`, its inputs are a list, [w, one-hot labels (batch, labels)], unless `generate` is overridden.
        Layers of alae take their weights from the parts of `section` (`FamilyDefinition.layout`). Keras' own layers use
        their initializers, seeded by `config.seed`, with different numbers on each backend.
        """

    @classmethod
    @abstractmethod
    def encoder(cls, config: Config, section: Section) -> "keras.Model":
        """Build E of `config`, or another network of its shape, called `section.name`: from images to (batch, w).

        Labels and weights are as for `generator`. If `config.networks.normalize_w`, E, but not other networks of its
        shape, divides w by its root mean square.
        """

    @classmethod
    def discriminator(cls, config: Config, section: Section) -> "keras.Model":
        """Build D of `config`: a perceptron on w, (batch, w), or a list [w, one-hot labels], to (batch,)."""
        from alae_core.networks.perceptron import build_labelled_discriminator, build_perceptron

        if config.classes_of("D"):
            return build_labelled_discriminator(section, config)
        return build_perceptron(section, config.networks.D, config, is_scalar=True)

    def map(self, z: Tensor, *, labels: Tensor | None = None) -> Tensor:
        """F(z): (batch, z) to (batch, w)."""
        return self.F(self._join("F", z, labels))

    def generate(
        self,
        w: Tensor,
        *,
        labels: Tensor | None = None,
        noise: Sequence[Tensor] | str | None = None,
        lod: int | None = None,
        blend: Tensor | float = 1.0,
    ) -> Tensor:
        """G(w): images (batch, H, W, C) from w (batch, w), or with styles from (batch, layers, w)."""
        return self.networks["G"](self._join("G", w, labels))

    def encode(
        self,
        images: Tensor,
        *,
        by: str = "E",
        labels: Tensor | None = None,
        lod: int | None = None,
        blend: Tensor | float = 1.0,
    ) -> Tensor:
        """E(images), or the output of another network of E's shape: (batch, w)."""
        return self.networks[by](self._join("E", images, labels))

    def hidden(
        self, images: Tensor, *, labels: Tensor | None = None, lod: int | None = None, blend: Tensor | float = 1.0
    ) -> Tensor:
        """Return the widest hidden layer of E, (batch, n). Raises AlaeError if E has no hidden layer.

        For perceptrons a layer's activations, for style networks everything that w is an affine function of.
        """
        raise AlaeError(f"the family {self.config.networks.family} does not say which layer of E is hidden")

    def score(
        self, images: Tensor, *, labels: Tensor | None = None, lod: int | None = None, blend: Tensor | float = 1.0
    ) -> Tensor:
        """Return the logit of each image, (batch,): D(E(x)), or D(x) if D judges images."""
        return self.judge(images, labels=labels, lod=lod, blend=blend)[1]

    def judge(
        self, images: Tensor, *, labels: Tensor | None = None, lod: int | None = None, blend: Tensor | float = 1.0
    ) -> tuple[Tensor | None, Tensor]:
        """Return E(x), (batch, w), or None if D judges images; and the logit of each image, as `score` does."""
        if self.config.networks.discriminator == "images":
            return None, self.discriminate(images, labels=labels, lod=lod, blend=blend)
        codes = self.encode(images, labels=labels, lod=lod, blend=blend)
        return codes, self.discriminate(codes, labels=labels)

    def discriminate(
        self, codes: Tensor, *, labels: Tensor | None = None, lod: int | None = None, blend: Tensor | float = 1.0
    ) -> Tensor:
        """D's logits (batch,) of w, or of images if D judges images."""
        return self.networks["D"](self._join("D", codes, labels))

    def reconstruct(self, images: Tensor, *, noise: Any = None, labels: Tensor | None = None, **level: Any) -> Tensor:
        """G(E(x)), or G(F(E(x))) if the configuration's reciprocity is z: (batch, H, W, C) to the same shape."""
        w = self.encode(images, labels=labels, **level)
        if self.config.reciprocity == "z":
            w = self.map(w, labels=labels)
        return self.generate(w, noise=noise, labels=labels, **level)

    def reencode(self, w: Tensor, *, noise: Any = None, labels: Tensor | None = None, **level: Any) -> Tensor:
        """E(G(w)): (batch, w)."""
        return self.encode(self.generate(w, noise=noise, labels=labels, **level), labels=labels, **level)

    def _join(self, network: str, x: Tensor, labels: Tensor | None) -> Any:
        """Return the input of a network of that shape: [x, labels] if it takes labels, otherwise x."""
        return [x, labels] if labels is not None and self.config.classes_of(network) else x

    def fade(self, images: Tensor, *, lod: int | None = None, blend: Tensor | float = 1.0) -> Tensor:
        """Fade real images as training shows them while a level fades in, like generated ones."""
        return images

    @property
    def finest(self) -> View | None:
        """The view at the images' own size; None for networks without levels."""
        return None

    def require(self, view: View | None) -> View | None:
        """Return `view`, or the default if it is None. Raises ArgumentError if the networks lack its level."""
        if view is not None:
            raise ArgumentError("lod", f"is {view.lod}, but only style networks have levels of detail")
        return view

    def image_shape(self, view: View | None) -> tuple[int, int, int]:
        """Return the height, width and channels of a view's images; those of the configuration if it is None."""
        height, width, channels = self.config.image
        return (height, width, channels) if view is None else (view.size, view.size, channels)

    def level_of(self, images: Any) -> int | None:
        """Return the level of detail of images (batch, H, W, C); None for networks without levels."""
        return None

    def takes_part(self, weight: str, lod: int | None) -> bool:
        """Return whether the weight of that name is used at level of detail `lod`, whatever the blend."""
        levels = self.layout[weight].levels
        return lod is None or levels is None or lod in levels
