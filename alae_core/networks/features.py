"""Operations on feature maps: convolution, resampling, blur, normalization, statistics.

Feature maps have four axes in the order that Keras is set to (`keras.config.image_data_format`), which is each
backend's choice; `from_nhwc` and `to_nhwc` lead in and out. As in `layers.py`, arithmetic is by operators on tensors.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from alae_core.networks.layers import Normal

Tensor = Any


def from_nhwc(images: Tensor) -> Tensor:
    """(batch, H, W, C) in the order of feature maps."""
    return images if _channels_last() else ops.transpose(images, (0, 3, 1, 2))


def to_nhwc(maps: Tensor) -> Tensor:
    """Feature maps as (batch, H, W, C)."""
    return maps if _channels_last() else ops.transpose(maps, (0, 2, 3, 1))


def per_channel(vector: Tensor) -> Tensor:
    """A vector (C,), or one for each image (batch, C), so that it multiplies feature maps channel by channel."""
    vector = vector if len(vector.shape) == 2 else vector[None]
    return vector[:, None, None, :] if _channels_last() else vector[:, :, None, None]


def upsample(maps: Tensor) -> Tensor:
    """Each pixel becomes 2×2 equal ones."""
    shape, axes = list(maps.shape), _spatial_axes()
    doubled = [size * 2 if axis in axes else size for axis, size in enumerate(shape)]
    # Spread over new axes, not repeated: the gradient is one sum.
    maps = ops.reshape(maps, _beside(shape, axes, 1))
    return ops.reshape(ops.broadcast_to(maps, _beside(shape, axes, 2)), doubled)


def downsample(maps: Tensor) -> Tensor:
    """The mean of each 2×2 pixels."""
    height, width = _spatial_axes()
    halved = [size // 2 if axis in (height, width) else size for axis, size in enumerate(maps.shape)]
    return ops.sum(ops.reshape(maps, _beside(halved, (height, width), 2)), axis=(height + 1, width + 2)) / 4


def blur(maps: Tensor) -> Tensor:
    """Convolution of each channel with [1 2 1] ⊗ [1 2 1] / 16; outside the map are zeros."""
    height, width = _spatial_axes()
    # By shifts: depthwise convolutions are ten times slower under XLA on a CPU.
    maps = ops.pad(maps, [(1, 1) if axis in (height, width) else (0, 0) for axis in range(4)])
    for axis in (height, width):
        first, middle, last = (_window(axis, start, maps.shape[axis] - 2) for start in range(3))
        maps = (maps[first] + 2 * maps[middle] + maps[last]) / 4
    return maps


def moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over the pixels of each map, shaped to be used with it."""
    axes = _spatial_axes()
    pixels = maps.shape[axes[0]] * maps.shape[axes[1]]
    mean = ops.sum(maps, axis=axes, keepdims=True) / pixels
    return mean, ops.sum(ops.square(maps - mean), axis=axes, keepdims=True) / pixels


def normalize(maps: Tensor, mean: Tensor, variance: Tensor, epsilon: float) -> Tensor:
    """Instance norm, from `moments`: (x − mean) / √(variance + ε)."""
    return (maps - mean) / ops.sqrt(variance + epsilon)


def statistics(mean: Tensor, variance: Tensor) -> Tensor:
    """(mean, standard deviation) of each map side by side: (batch, 2C).

    Deviation: the authors take √variance, whose gradient at a constant map is infinite times zero. The 1e-10 beside it
    moves a standard deviation by 5e-9 at 0.01, and bounds R1's second derivative.
    """
    channels = mean.shape[-1] if _channels_last() else mean.shape[1]
    deviation = ops.sqrt(variance + 1e-10)
    return ops.concatenate([ops.reshape(part, (-1, channels)) for part in (mean, deviation)], axis=-1)


class Conv(keras.layers.Layer):
    """A convolution with equalized learning rate: kernel N(0, 1), multiplied by gain/√fan_in when used.

    Every kernel pads its input to keep its size. `resample` is "up" (input upsampled first), "down" (output downsampled
    after) or None; with `fused` the resampling is part of one strided convolution, whose 4×4 kernel is the sum of the
    four one-pixel shifts of the 3×3 one (their mean, downwards): the same function with 4 multiplications for 9.
    `bias` adds a number per output channel, last. Only the convolution is computed in the layer's compute dtype
    (Karras et al. 2018, section 4.1; the authors' `lreq.Conv2d`).
    """

    def __init__(
        self,
        filters: int,
        size: int,
        *,
        seed: int,
        purpose: str,
        gain: float = 2**0.5,
        bias: bool = False,
        resample: str | None = None,
        fused: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.filters, self.size, self.seed, self.purpose, self.gain = filters, size, seed, purpose, gain
        self.has_bias, self.resample, self.fused = bias, resample, fused

    def build(self, inputs: int):
        self.scale = self.gain / (self.size**2 * inputs) ** 0.5
        kernel, shape = Normal(self.seed, self.purpose), (self.size, self.size, inputs, self.filters)
        # Keras would cast both where they are read, though the layer is told not to.
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=kernel, autocast=False)
        self.kernel.equalized_by = self.scale
        self.bias = None
        if self.has_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros", autocast=False)

    def call(self, x):
        kernel = ops.cast(ops.convert_to_tensor(self.kernel) * self.scale, self.compute_dtype)
        x = ops.cast(x, self.compute_dtype)
        match self.resample:
            case "up":
                x = _upsampling_conv(x, kernel) if self.fused else _conv(upsample(x), kernel)
            case "down":
                x = _downsampling_conv(x, kernel) if self.fused else downsample(_conv(x, kernel))
            case _:
                x = _conv(x, kernel)
        x = ops.cast(x, self.variable_dtype)
        return x if self.bias is None else x + per_channel(ops.convert_to_tensor(self.bias))


def _conv(maps: Tensor, kernel: Tensor) -> Tensor:
    return ops.conv(maps, kernel, padding="same", data_format=keras.config.image_data_format())


def _downsampling_conv(maps: Tensor, kernel: Tensor) -> Tensor:
    kernel = _four_shifts(kernel) / 4
    return ops.conv(maps, kernel, strides=2, padding="same", data_format=keras.config.image_data_format())


def _upsampling_conv(maps: Tensor, kernel: Tensor) -> Tensor:
    # A transposed convolution reads its kernel from the output's side: turned round, with its channels exchanged.
    kernel = ops.transpose(ops.flip(_four_shifts(kernel), axis=(0, 1)), (0, 1, 3, 2))
    return ops.conv_transpose(maps, kernel, strides=2, padding="same", data_format=keras.config.image_data_format())


def _four_shifts(kernel: Tensor) -> Tensor:
    padded = ops.pad(kernel, [(1, 1), (1, 1), (0, 0), (0, 0)])
    return padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1]


def _channels_last() -> bool:
    return keras.config.image_data_format() == "channels_last"


def _spatial_axes() -> tuple[int, int]:
    return (1, 2) if _channels_last() else (2, 3)


def _beside(shape: Sequence[int], axes: tuple[int, int], size: int) -> list[int]:
    """`shape` with an axis of `size` after each of `axes`."""
    return [part for axis, length in enumerate(shape) for part in ((length, size) if axis in axes else (length,))]


def _window(axis: int, start: int, size: int) -> tuple[slice, ...]:
    return (*(slice(None) for _ in range(axis)), slice(start, start + size))
