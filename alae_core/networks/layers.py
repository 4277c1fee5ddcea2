"""Layers that Keras lacks, and initial weights that are the same bits on every backend."""

import keras
import numpy as np
from keras import ops

from alae_core.latents import stream


class Glorot(keras.initializers.Initializer):
    """Uniform in ±√(6 / (fan_in + fan_out)), drawn by NumPy from the stream (seed, purpose)."""

    def __init__(self, seed: int, purpose: str) -> None:
        self.seed, self.purpose = seed, purpose

    def __call__(self, shape, dtype=None):
        limit = np.sqrt(6 / (shape[0] + shape[1]))
        draws = stream(self.seed, self.purpose).uniform(-limit, limit, shape)
        return ops.convert_to_tensor(draws.astype("float32"), dtype=dtype)

    def get_config(self):
        return {"seed": self.seed, "purpose": self.purpose}


class Normal(keras.initializers.Initializer):
    """N(0, std²), drawn by NumPy from the stream (seed, purpose)."""

    def __init__(self, seed: int, purpose: str, std: float = 1.0) -> None:
        self.seed, self.purpose, self.std = seed, purpose, std

    def __call__(self, shape, dtype=None):
        draws = self.std * stream(self.seed, self.purpose).standard_normal(shape)
        return ops.convert_to_tensor(draws.astype("float32"), dtype=dtype)

    def get_config(self):
        return {"seed": self.seed, "purpose": self.purpose, "std": self.std}


class EqualizedDense(keras.layers.Layer):
    """A dense layer with equalized learning rate: y = x · (kernel · gain/√fan_in · lrmul) + bias · lrmul.

    The stored kernel is N(0, 1/lrmul²), so that every layer's effective kernel starts at gain/√fan_in and moves at a
    pace set by lrmul alone (Karras et al. 2018, section 4.1; the authors' `lreq.Linear`).

    Shapes: (batch, fan_in) to (batch, units).
    """

    def __init__(
        self, units: int, *, seed: int, purpose: str, gain: float = 2**0.5, lrmul: float = 1.0, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.seed, self.purpose, self.gain, self.lrmul = units, seed, purpose, gain, lrmul

    def build(self, input_shape):
        fan_in = input_shape[-1]
        self.scale = self.gain / fan_in**0.5 * self.lrmul
        kernel = Normal(self.seed, self.purpose, 1 / self.lrmul)
        self.kernel = self.add_weight(name="kernel", shape=(fan_in, self.units), initializer=kernel)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, x):
        return ops.matmul(x, self.kernel * self.scale) + self.bias * self.lrmul

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        own = {"units": self.units, "seed": self.seed, "purpose": self.purpose, "gain": self.gain, "lrmul": self.lrmul}
        return {**super().get_config(), **own}


def pixel_norm(x):
    """x / √(mean x² + 1e-8) over the last axis: each vector leaves with root mean square 1."""
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)
