"""The layers of ALAE.

They use operators on tensors, because `keras.ops.matmul` and `mean` turn float64 into float32 under JAX or PyTorch.
"""

from typing import Any

import keras
from keras import ops

from alae_core.config import Config
from alae_core.networks.specs import Section


def layer_dtype(config: Config) -> str:
    """Return the Keras dtype policy of layers that may compute in bfloat16."""
    return "mixed_bfloat16" if config.precision == "bfloat16" else config.precision


class SpecLayer(keras.layers.Layer):
    """A layer or network that creates the weights listed in a `Section`, as attributes of the same names.

    `build` also builds the SpecLayers that it contains.
    """

    def __init__(self, section: Section, **kwargs) -> None:
        super().__init__(name=section.name, **kwargs)
        self.section = section

    def build(self, input_shape=None):
        for name in self.section.own:
            setattr(self, name, self._add_weight(name))
        for part in self._flatten_layers(include_self=False, recursive=False):
            if isinstance(part, SpecLayer):
                part.build()

    def _add_weight(self, name: str, **choices):
        def initialize(shape, dtype=None):
            return ops.convert_to_tensor(self.section.initial_value(name), dtype=dtype)

        return self.add_weight(name=name, shape=self.section.own[name].shape, initializer=initialize, **choices)

    def effective_weight(self, name: str):
        """Return the weight `name` multiplied by its scale, as a tensor."""
        weight, scale = ops.convert_to_tensor(getattr(self, name)), self.section.layout[name].scale
        return weight if scale == 1 else weight * scale


def create_weights(network: Any) -> Any:
    """Create the weights of a network that is a SpecLayer, and return it."""
    network.build()
    return network


class Dense(SpecLayer):
    """y = x · kernel + bias, each times its scale (`specs.dense_layout`): (batch, inputs) to (batch, outputs)."""

    def call(self, x):
        return x @ self.effective_weight("kernel") + self.effective_weight("bias")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], *self.section.layout["bias"].shape)


class LeakyReLU(keras.layers.Layer):
    """x if x is positive, otherwise slope · x."""

    def __init__(self, slope: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.slope = slope

    def call(self, x):
        if self.compute_dtype == "float64":
            # TensorFlow's own function rounds the slope to float32.
            return ops.where(x > 0, x, x * self.slope)
        return ops.leaky_relu(x, self.slope)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "slope": self.slope}


class Tanh(keras.layers.Layer):
    """tanh x."""

    def call(self, x):
        if self.compute_dtype == "float64":
            # `ops.tanh` turns float64 into float32 under JAX.
            return 2 * ops.sigmoid(2 * x) - 1
        return ops.tanh(x)

    def compute_output_shape(self, input_shape):
        return input_shape


class PixelNorm(keras.layers.Layer):
    """x / √(mean x² + 1e-8) over the last axis, which gives each vector a root mean square of 1."""

    def call(self, x):
        return x / ops.sqrt(ops.sum(x * x, axis=-1, keepdims=True) / x.shape[-1] + 1e-8)

    def compute_output_shape(self, input_shape):
        return input_shape


class AppendLabel(keras.layers.Layer):
    """Append one-hot labels, multiplied by √n, to vectors (batch, n) of root mean square 1.

    Both then have the norm √n, and an equal part in the output of a dense layer with initial weights.
    """

    def call(self, x, labels):
        return ops.concatenate([x, labels * x.shape[-1] ** 0.5], axis=-1)

    def compute_output_shape(self, x_shape, labels_shape):
        return (*x_shape[:-1], x_shape[-1] + labels_shape[-1])
