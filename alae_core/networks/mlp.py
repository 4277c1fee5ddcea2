"""MLP-ALAE: F, G, E and D as perceptrons on flat images (paper section 5.1)."""

from math import prod

import keras
from keras import ops

from alae_core.config import Config, Perceptron
from alae_core.networks.family import Family
from alae_core.networks.layers import Dense, LeakyReLU, PixelNorm


class Perceptrons(Family):
    """MLP-ALAE: one level of detail, no styles; labels appended as one-hot."""

    @classmethod
    def build(cls, config: Config) -> dict[str, keras.Model]:
        """See `build_mlp`."""
        return build_mlp(config)

    def generate(self, w, *, labels=None, noise=None, lod=None, blend=1.0):
        return self.networks["G"](w if labels is None else [w, labels])

    def encode(self, images, *, labels=None, lod=None, blend=1.0):
        return self.networks["E"](images if labels is None else [images, labels])


def build_mlp(config: Config) -> dict[str, keras.Model]:
    """The four networks of `config`, their initial weights decided by its seed.

    F: (batch, z) to (batch, w). G: (batch, w) to (batch, H, W, C), linear. E: (batch, H, W, C) to (batch, w).
    D: (batch, w) to (batch,), the logit. With `config.labels`, G and E take a list [input, one-hot label] and append
    the label to their flat input. Inputs and outputs have `config.dtype`, whatever the precision of the layers.
    """
    networks, image = config.networks, config.image

    def placeholder(*shape: int, name: str):
        return keras.Input(shape, name=name, dtype=config.dtype)

    def label() -> list:
        return [placeholder(config.labels, name="label")] if config.labels else []

    w = placeholder(networks.w, name="w")
    labels = label()
    pixels = _perceptron(_append([w, *labels]), "G", prod(image), config)
    G = keras.Model(_inputs([w, *labels]), ops.reshape(pixels, (-1, *image)), name="G")

    x = placeholder(*image, name="image")
    labels = label()
    flat = ops.reshape(x, (-1, prod(image)))
    E = keras.Model(_inputs([x, *labels]), _perceptron(_append([flat, *labels]), "E", networks.w, config), name="E")

    return {
        "F": build_perceptron("F", networks.z, networks.w, config),
        "G": G,
        "E": E,
        "D": build_perceptron("D", networks.w, None, config),
    }


def build_perceptron(name: str, inputs: int, outputs: int | None, config: Config) -> keras.Model:
    """The network `name` of `config`, a perceptron on vectors: (batch, inputs) to (batch, outputs).

    Without `outputs` it answers a number for each: (batch,).
    """
    x = keras.Input((inputs,), name="vector", dtype=config.dtype)
    y = _perceptron(x, name, outputs or 1, config)
    return keras.Model(x, y if outputs else ops.squeeze(y, axis=-1), name=name)


def _perceptron(x, network: str, outputs: int, config: Config):
    choice: Perceptron = getattr(config.networks, network)
    dtype = "mixed_bfloat16" if config.precision == "bfloat16" else config.precision
    if choice.pixel_norm:
        x = PixelNorm(dtype=config.dtype, name="pixel_norm")(x)
    for i, width in enumerate([*choice.hidden, outputs]):
        x = Dense(
            width,
            seed=config.seed,
            purpose=f"weights/{network}/dense{i}",
            equalized=config.networks.equalized,
            lrmul=choice.lrmul,
            dtype=dtype,
            name=f"dense{i}",
        )(x)
        if choice.slope != 1 and (i < len(choice.hidden) or choice.activate_output):
            x = LeakyReLU(choice.slope, dtype=dtype, name=f"leaky{i}")(x)
    # Losses and everything a person reads keep their digits, whatever the layers computed in.
    return ops.cast(x, config.dtype)


def _append(tensors: list):
    return ops.concatenate(tensors, axis=-1) if len(tensors) > 1 else tensors[0]


def _inputs(tensors: list):
    return tensors if len(tensors) > 1 else tensors[0]
