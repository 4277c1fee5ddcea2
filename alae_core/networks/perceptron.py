"""Perceptrons: dense layers with leaky ReLUs between them."""

from typing import Any

import keras
from keras import ops

from alae_core.config import Config
from alae_core.groups import Perceptron
from alae_core.networks.layers import Dense, LeakyReLU, PixelNorm, layer_dtype
from alae_core.networks.specs import Section

Tensor = Any


def build_perceptron(
    section: Section, choice: Perceptron, config: Config, *, is_scalar: bool = False, normalizes: bool = False
) -> keras.Model:
    """Build a perceptron on vectors: (batch, inputs) to (batch, outputs), or to (batch,) if `is_scalar`.

    If `normalizes`, outputs are divided by their root mean square.
    """
    x = keras.Input((section.layout["dense0/kernel"].shape[0],), name="vector", dtype=config.dtype)
    y = apply_perceptron(x, section, choice, config)
    if normalizes:
        y = PixelNorm(dtype=config.dtype, name="normalize_w")(y)
    return keras.Model(x, ops.squeeze(y, axis=-1) if is_scalar else y, name=section.name)


def apply_perceptron(x: Tensor, section: Section, choice: Perceptron, config: Config) -> Tensor:
    """Apply the layers of `section` with the activations of `choice`: (batch, inputs) to (batch, outputs)."""
    dtype = layer_dtype(config)
    if choice.pixel_norm:
        x = PixelNorm(dtype=config.dtype, name="pixel_norm")(x)
    for i in range(len(choice.hidden) + 1):
        x = Dense(section / f"dense{i}", dtype=dtype)(x)
        if choice.slope != 1 and (i < len(choice.hidden) or choice.activate_output):
            x = LeakyReLU(choice.slope, dtype=dtype, name=f"leaky{i}")(x)
    # Outputs are float32 or float64, even if the layers compute in bfloat16.
    return ops.cast(x, config.dtype)
