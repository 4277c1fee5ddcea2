"""The layers of ALAE, and initial weights that are the same bits on every backend.

They compute with operators on tensors: `keras.ops.matmul` and `mean` turn float64 into float32 under JAX or PyTorch.
"""

import keras
import numpy as np
from keras import ops

from alae_core.streams import stream


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


class Scaled(keras.layers.Layer):
    """A layer or network of alae's own, which says of each weight what it is multiplied by when used.

    `scales` has the constant by the weight's name: 1 but for equalized ones, whose gradient Adam sees of the product.
    """

    def add_scaled(self, name: str, shape, initializer, *, scale: float = 1.0, **choices):
        """A new trainable weight, which `call` multiplies by `scale`."""
        self.scales = {**getattr(self, "scales", {}), name: scale}
        return self.add_weight(name=name, shape=shape, initializer=initializer, **choices)


class Dense(Scaled):
    """y = x · kernel + bias; with equalized learning rate y = x · (kernel · gain/√fan_in · lrmul) + bias · lrmul.

    Plain kernels start Glorot-uniform. Equalized ones are stored as N(0, 1/lrmul²), so that every layer's effective
    kernel starts at gain/√fan_in and moves at a pace set by lrmul alone (Karras et al. 2018, section 4.1; the authors'
    `lreq.Linear`). Biases start at zero; `purpose` names the stream that the kernel is drawn from.

    Shapes: (batch, fan_in) to (batch, units).
    """

    def __init__(
        self,
        units: int,
        *,
        seed: int,
        purpose: str,
        equalized: bool = False,
        gain: float = 2**0.5,
        lrmul: float = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.seed, self.purpose = units, seed, purpose
        self.equalized, self.gain, self.lrmul = equalized, gain, lrmul

    def build(self, input_shape):
        fan_in = input_shape[-1]
        self.scale = self.gain / fan_in**0.5 * self.lrmul
        kernel = Normal(self.seed, self.purpose, 1 / self.lrmul) if self.equalized else Glorot(self.seed, self.purpose)
        scales = (self.scale, self.lrmul) if self.equalized else (1.0, 1.0)
        self.kernel = self.add_scaled("kernel", (fan_in, self.units), kernel, scale=scales[0])
        self.bias = self.add_scaled("bias", (self.units,), "zeros", scale=scales[1])

    def call(self, x):
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        return x @ (kernel * self.scale) + bias * self.lrmul if self.equalized else x @ kernel + bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        names = ("units", "seed", "purpose", "equalized", "gain", "lrmul")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class LeakyReLU(keras.layers.Layer):
    """x where it is positive, slope · x elsewhere."""

    def __init__(self, slope: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.slope = slope

    def call(self, x):
        if self.compute_dtype == "float64":
            # TensorFlow's kernel holds the slope in float32.
            return ops.where(x > 0, x, x * self.slope)
        return ops.leaky_relu(x, self.slope)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "slope": self.slope}


class PixelNorm(keras.layers.Layer):
    """x / √(mean x² + 1e-8) over the last axis: each vector leaves with root mean square 1."""

    def call(self, x):
        return x / ops.sqrt(ops.sum(x * x, axis=-1, keepdims=True) / x.shape[-1] + 1e-8)

    def compute_output_shape(self, input_shape):
        return input_shape
