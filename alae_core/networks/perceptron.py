"""Perceptrons: dense layers with leaky ReLUs between them."""

from typing import Any

import keras
from keras import ops

from alae_core.config import Config
from alae_core.groups import Perceptron
from alae_core.networks.layers import AppendLabel, Dense, LeakyReLU, PixelNorm, layer_dtype
from alae_core.networks.specs import Section

Tensor = Any


def build_perceptron(
    section: Section, choice: Perceptron, config: Config, *, is_scalar: bool = False, normalizes: bool = False
) -> keras.Model:
    """Build a perceptron on vectors: (batch, inputs) to (batch, outputs), or to (batch,) if `is_scalar`.

    If `normalizes`, outputs are divided by their root mean square.
    """
    x = _input(section, config)
    y = apply_perceptron(x, section, choice, config)
    if normalizes:
        y = PixelNorm(dtype=config.dtype, name="normalize_w")(y)
    return keras.Model(x, ops.squeeze(y, axis=-1) if is_scalar else y, name=section.name)


def build_labelled_mapping(section: Section, config: Config) -> keras.Model:
    """Build an F that takes labels: a list [z, one-hot labels] to (batch, w); see `AppendLabel`."""
    classes = config.classes_of("F")
    x, labels = _input(section, config, without=classes), keras.Input((classes,), name="label", dtype=config.dtype)
    w = apply_perceptron(x, section, config.networks.F, config, labels)
    return keras.Model([x, labels], w, name=section.name)


def build_labelled_discriminator(section: Section, config: Config) -> keras.Model:
    """Build a D on w that takes labels: a list [w, one-hot labels] to the logit of each w for its class, (batch,)."""
    x = _input(section, config)
    labels = keras.Input((config.classes_of("D"),), name="label", dtype=config.dtype)
    logits = apply_perceptron(x, section, config.networks.D, config)
    return keras.Model([x, labels], select_logits(logits, labels), name=section.name)


def select_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the logit of each row's class, (batch,), from logits and one-hot labels (batch, classes)."""
    return ops.sum(logits * labels, axis=-1)


def _input(section: Section, config: Config, without: int = 0) -> Tensor:
    """Return the input of a perceptron, without the columns for labels."""
    return keras.Input((section.layout["dense0/kernel"].shape[0] - without,), name="vector", dtype=config.dtype)


def apply_perceptron(
    x: Tensor, section: Section, choice: Perceptron, config: Config, labels: Tensor | None = None
) -> Tensor:
    """Apply the layers of `section` with the activations of `choice`: (batch, inputs) to (batch, outputs).

    `labels` are one-hot, and appended after pixel norm.
    """
    dtype = layer_dtype(config)
    if choice.pixel_norm:
        x = PixelNorm(dtype=config.dtype, name="pixel_norm")(x)
    if labels is not None:
        x = AppendLabel(dtype=config.dtype, name="append_label")(x, labels)
    for i in range(len(choice.hidden) + 1):
        x = Dense(section / f"dense{i}", dtype=dtype)(x)
        if choice.slope != 1 and (i < len(choice.hidden) or choice.activate_output):
            x = LeakyReLU(choice.slope, dtype=dtype, name=f"leaky{i}")(x)
    # Outputs are float32 or float64, even if the layers compute in bfloat16.
    return ops.cast(x, config.dtype)
