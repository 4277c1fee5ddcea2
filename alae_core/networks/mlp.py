"""MLP-ALAE: F, G, E and D as perceptrons on flat images (paper section 5.1)."""

from math import prod

import keras
from keras import layers, ops

from alae_core.config import Config, MlpNetworks, Perceptron
from alae_core.networks.layers import EqualizedDense, Glorot, pixel_norm


def build_mlp(config: Config, seed: int) -> dict[str, keras.Model]:
    """The four networks of `config`, their initial weights decided by `seed`.

    F: (batch, z) to (batch, w). G: (batch, w) to (batch, H, W, C), linear. E: (batch, H, W, C) to (batch, w).
    D: (batch, w) to (batch,), the logit. With `config.labels`, G and E take a list [input, one-hot label] and append
    the label to their flat input. All outputs are float32, whatever the precision of the layers.
    """
    networks, image = config.networks, config.image

    def label() -> list:
        return [keras.Input((config.labels,), name="label")] if config.labels else []

    z = keras.Input((networks.z,), name="z")
    F = keras.Model(z, _float32(_perceptron(z, "F", networks.w, config, seed)), name="F")

    w = keras.Input((networks.w,), name="w")
    labels = label()
    pixels = _perceptron(_append([w, *labels]), "G", prod(image), config, seed)
    G = keras.Model(_inputs([w, *labels]), _float32(layers.Reshape(image, name="image")(pixels)), name="G")

    x = keras.Input(image, name="image")
    labels = label()
    flat = layers.Flatten(name="flatten")(x)
    E = keras.Model(
        _inputs([x, *labels]), _float32(_perceptron(_append([flat, *labels]), "E", networks.w, config, seed)), name="E"
    )

    logit = ops.squeeze(_perceptron(w, "D", 1, config, seed), axis=-1)
    D = keras.Model(w, _float32(logit), name="D")
    return {"F": F, "G": G, "E": E, "D": D}


def _perceptron(x, network: str, outputs: int, config: Config, seed: int):
    choice: Perceptron = getattr(config.networks, network)
    dtype = "mixed_bfloat16" if config.precision == "bfloat16" else "float32"
    if choice.pixel_norm:
        x = pixel_norm(x)
    widths = [*choice.hidden, outputs]
    for i, width in enumerate(widths):
        x = _dense(width, f"dense{i}", f"weights/{network}/dense{i}", choice, config.networks, seed, dtype)(x)
        if choice.slope != 1 and (i < len(choice.hidden) or choice.activate_output):
            x = layers.LeakyReLU(choice.slope, dtype=dtype, name=f"leaky{i}")(x)
    return x


def _dense(width: int, name: str, purpose: str, choice: Perceptron, networks: MlpNetworks, seed: int, dtype: str):
    if networks.equalized:
        return EqualizedDense(width, seed=seed, purpose=purpose, lrmul=choice.lrmul, dtype=dtype, name=name)
    return layers.Dense(width, kernel_initializer=Glorot(seed, purpose), dtype=dtype, name=name)


def _append(tensors: list):
    return layers.Concatenate(name="append_label")(tensors) if len(tensors) > 1 else tensors[0]


def _inputs(tensors: list):
    return tensors if len(tensors) > 1 else tensors[0]


def _float32(x):
    # Losses and everything a person reads are float32; layers before may have computed in bfloat16.
    return ops.cast(x, "float32")
