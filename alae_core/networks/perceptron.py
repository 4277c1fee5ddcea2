"""Perceptrons: dense layers with leaky ReLUs between them."""

from typing import Any

import keras
from keras import ops

from alae_core.config import Config, Perceptron
from alae_core.networks.layers import Dense, LeakyReLU, PixelNorm

Tensor = Any


def build_perceptron(
    name: str, inputs: int, outputs: int | None, config: Config, *, shape: str | None = None
) -> keras.Model:
    """A network of `config` that is a perceptron on vectors: (batch, inputs) to (batch, outputs).

    Without `outputs` it answers a number for each: (batch,). It has the layers of the network `shape`, by default of
    the one of its own name.
    """
    x = keras.Input((inputs,), name="vector", dtype=config.dtype)
    y = perceptron(x, name, outputs or 1, config, shape=shape)
    return keras.Model(x, y if outputs else ops.squeeze(y, axis=-1), name=name)


def perceptron(x: Tensor, name: str, outputs: int, config: Config, *, shape: str | None = None) -> Tensor:
    """The layers of the network `name` of `config`, applied: (batch, inputs) to (batch, outputs)."""
    choice: Perceptron = getattr(config.networks, shape or name)
    dtype = "mixed_bfloat16" if config.precision == "bfloat16" else config.precision
    if choice.pixel_norm:
        x = PixelNorm(dtype=config.dtype, name="pixel_norm")(x)
    for i, width in enumerate([*choice.hidden, outputs]):
        x = Dense(
            width,
            seed=config.seed,
            purpose=f"weights/{name}/dense{i}",
            equalized=config.networks.equalized,
            lrmul=choice.lrmul,
            dtype=dtype,
            name=f"dense{i}",
        )(x)
        if choice.slope != 1 and (i < len(choice.hidden) or choice.activate_output):
            x = LeakyReLU(choice.slope, dtype=dtype, name=f"leaky{i}")(x)
    # Losses and everything a person reads keep their digits, whatever the layers computed in.
    return ops.cast(x, config.dtype)
