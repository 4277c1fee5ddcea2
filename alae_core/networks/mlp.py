"""MLP-ALAE: F, G, E and D as perceptrons on flat images (paper section 5.1)."""

from math import prod

import keras
from keras import ops

from alae_core.config import Config
from alae_core.errors import AlaeError
from alae_core.networks.family import Family
from alae_core.networks.layers import PixelNorm, Tanh
from alae_core.networks.perceptron import apply_perceptron
from alae_core.networks.specs import Section


class Perceptrons(Family):
    """MLP-ALAE: without levels of detail or styles; one-hot labels are appended to the inputs of G and E."""

    @classmethod
    def generator(cls, config: Config, section: Section) -> keras.Model:
        """Build G: (batch, w), or a list [w, one-hot labels] if `config.labels`, to (batch, H, W, C)."""
        w = keras.Input((config.networks.w,), name="w", dtype=config.dtype)
        labels = _label(config)
        images = ops.reshape(
            apply_perceptron(_append([w, *labels]), section, config.mlp.G, config), (-1, *config.image)
        )
        if config.mlp.output == "tanh":
            images = Tanh(dtype=config.dtype, name="tanh")(images)
        return keras.Model(_inputs([w, *labels]), images, name=section.name)

    @classmethod
    def encoder(cls, config: Config, section: Section) -> keras.Model:
        """Build E: (batch, H, W, C), or a list [images, one-hot labels] if `config.labels`, to (batch, w)."""
        x = keras.Input(config.image, name="image", dtype=config.dtype)
        labels = _label(config)
        flat = ops.reshape(x, (-1, prod(config.image)))
        w = apply_perceptron(_append([flat, *labels]), section, config.mlp.E, config)
        if config.mlp.normalize_w and section.name == "E":
            w = PixelNorm(dtype=config.dtype, name="normalize_w")(w)
        return keras.Model(_inputs([x, *labels]), w, name=section.name)

    def hidden(self, images, *, labels=None, lod=None, blend=1.0):
        E, choice = self.networks["E"], self.config.networks.E
        if not choice.hidden:
            raise AlaeError("networks.E.hidden is []: give E at least one hidden layer")
        widest = max(range(len(choice.hidden)), key=choice.hidden.__getitem__)
        kind = "dense" if choice.slope == 1 else "leaky"
        inside = keras.Model(E.inputs, E.get_layer(f"{kind}{widest}").output)
        return ops.cast(inside(images if labels is None else [images, labels]), self.config.dtype)


def _label(config: Config) -> list:
    return [keras.Input((config.labels,), name="label", dtype=config.dtype)] if config.labels else []


def _append(tensors: list):
    return ops.concatenate(tensors, axis=-1) if len(tensors) > 1 else tensors[0]


def _inputs(tensors: list):
    return tensors if len(tensors) > 1 else tensors[0]
