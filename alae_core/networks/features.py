"""Operations on feature maps: convolution, resampling, blur, normalization, statistics.

Feature maps have four axes in the order that the backend chose for Keras (`keras.config.image_data_format`);
`from_nhwc` and `to_nhwc` convert. As in `layers.py`, arithmetic uses the operators of tensors.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from alae_core.framework import framework_in_use
from alae_core.networks.layers import SpecLayer
from alae_core.networks.specs import Section

Tensor = Any

# maximum side, in pixels, of maps that are filtered by multiplying with matrices
_SMALL = 64

_DIFFERENTIABLE = ContextVar("differentiable", default=True)


@contextmanager
def without_gradients() -> Iterator[None]:
    """Let operations use implementations that are fastest without gradients. Their results stay the same."""
    token = _DIFFERENTIABLE.set(False)
    try:
        yield
    finally:
        _DIFFERENTIABLE.reset(token)


def from_nhwc(images: Tensor) -> Tensor:
    """Convert images (batch, H, W, C) to feature maps."""
    return images if _channels_last() else ops.transpose(images, (0, 3, 1, 2))


def to_nhwc(maps: Tensor) -> Tensor:
    """Convert feature maps to (batch, H, W, C)."""
    return maps if _channels_last() else ops.transpose(maps, (0, 2, 3, 1))


def per_channel(vector: Tensor) -> Tensor:
    """Reshape a vector (C,), or one per image (batch, C), to multiply feature maps channel by channel."""
    vector = vector if len(vector.shape) == 2 else vector[None]
    return vector[:, None, None, :] if _channels_last() else vector[:, :, None, None]


def upsample(maps: Tensor) -> Tensor:
    """Repeat each pixel 2×2 times."""
    shape, axes = list(maps.shape), _spatial_axes()
    doubled = [size * 2 if axis in axes else size for axis, size in enumerate(shape)]
    # Broadcast over new axes, not repeated: the gradient is then one sum.
    maps = ops.reshape(maps, _beside(shape, axes, 1))
    return ops.reshape(ops.broadcast_to(maps, _beside(shape, axes, 2)), doubled)


def upsample_bilinear(maps: Tensor) -> Tensor:
    """Double both sides: each new pixel is ¾ of the nearest old one and ¼ of the next, along each axis.

    Beyond the border the outermost pixels repeat.
    """
    for axis in _spatial_axes():
        size = maps.shape[axis]
        old = np.arange(2 * size) // 2
        next_ = np.clip(old + np.tile([-1, 1], size), 0, size - 1)
        maps = _along(maps, axis, 0.75 * np.eye(size)[old] + 0.25 * np.eye(size)[next_])
    return maps


def flatten(maps: Tensor) -> Tensor:
    """Return the numbers of each image, (batch, H·W·C), in the same order for every layout of maps."""
    return ops.reshape(to_nhwc(maps), (-1, prod(maps.shape[1:])))


def downsample(maps: Tensor) -> Tensor:
    """Return the mean of each block of 2×2 pixels."""
    height, width = _spatial_axes()
    halved = [size // 2 if axis in (height, width) else size for axis, size in enumerate(maps.shape)]
    return ops.sum(ops.reshape(maps, _beside(halved, (height, width), 2)), axis=(height + 1, width + 2)) / 4


def blur(maps: Tensor) -> Tensor:
    """Convolve each channel with [1 2 1] ⊗ [1 2 1] / 16, zero-padded."""
    return _filter(maps, [0.25, 0.5, 0.25], border=True)


def instance_norm(maps: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """(x − mean) / √(variance + ε), mean and variance of each map over its pixels; all with four axes."""
    mean = _mean_of_pixels(maps)
    centred = maps - mean
    variance = _mean_of_pixels(centred * centred)
    # Multiply by one reciprocal per map: dividing the maps takes longer, and its gradient much longer.
    return centred * (1 / ops.sqrt(variance + epsilon)), mean, variance


def _mean_of_pixels(maps: Tensor) -> Tensor:
    height, width = _spatial_axes()
    # Sum row by row: TensorFlow adds pixels sequentially, which would lose three digits on maps of 512². The division
    # in between stops XLA from merging the two sums.
    rows = ops.sum(maps, axis=width, keepdims=True) / maps.shape[width]
    return ops.sum(rows, axis=height, keepdims=True) / maps.shape[height]


def statistics(mean: Tensor, variance: Tensor) -> Tensor:
    """(mean, standard deviation) of each map side by side, from `instance_norm`'s moments: (batch, 2C).

    The authors' deviation is √variance, and its gradient at a constant map is infinity times zero. Adding 1e-10 to the
    variance changes a deviation of 0.01 by 5e-9, and bounds R1's second derivative.
    """
    channels = mean.shape[-1] if _channels_last() else mean.shape[1]
    deviation = ops.sqrt(variance + 1e-10)
    return ops.concatenate([ops.reshape(part, (-1, channels)) for part in (mean, deviation)], axis=-1)


class Conv(SpecLayer):
    """A convolution that keeps the size of its maps, or doubles or halves it.

    Every kernel pads its input. `resample` is None, "up" (input upsampled first), "down" (output downsampled after) or
    "stride" (a 4×4 kernel at every second pixel, padded by 1). Upsampling and downsampling are part of the convolution:
    the same function with a quarter of the multiplications (4/9 upwards by patches).
    A bias, if there is one, is added last. Only the convolution is computed in the layer's compute dtype.
    """

    def __init__(self, section: Section, *, resample: str | None = None, **kwargs) -> None:
        super().__init__(section, autocast=False, **kwargs)
        self.resample = resample

    def _add_weight(self, name, **choices):
        # Keras would cast them when they are read, despite the layer's setting.
        return super()._add_weight(name, autocast=False, **choices)

    def call(self, x):
        if self.resample == "down":
            # Averaging after the convolution equals averaging before it.
            x = _filter(x, [0.5, 0.5], border=True)
        kernel = ops.cast(self.effective_weight("kernel"), self.compute_dtype)
        x = ops.cast(_CONVOLUTIONS[self.resample](ops.cast(x, self.compute_dtype), kernel), self.variable_dtype)
        return x + per_channel(self.effective_weight("bias")) if "bias" in self.section.layout else x


def _conv(maps: Tensor, kernel: Tensor) -> Tensor:
    return ops.conv(maps, kernel, padding="same")


def _halving_conv(maps: Tensor, kernel: Tensor) -> Tensor:
    """Convolve without padding at stride 2: 2R + 1 pixels to R with a 3×3 kernel, 2R + 2 with a 4×4 kernel."""
    if _is_jax_on_cpu():
        return _by_patches(maps, kernel, strides=2)
    return ops.conv(maps, kernel, strides=2, padding="valid")


def _doubling_conv(maps: Tensor, kernel: Tensor) -> Tensor:
    """Upsample maps and convolve them: R pixels to 2R."""
    if _is_jax_on_cpu():
        return _doubling_by_windows(maps, kernel)
    # Keras defines a transposed convolution as the gradient of one, which rotates the kernel.
    kernel = ops.transpose(ops.flip(kernel, axis=(0, 1)), (0, 1, 3, 2))
    # Four equal pixels are one pixel and three zeros, summed in blocks of four.
    return _filter(ops.conv_transpose(maps, kernel, strides=2, padding="valid"), [1.0, 1.0], border=False)


def _doubling_by_windows(maps: Tensor, kernel: Tensor) -> Tensor:
    inputs, outputs = kernel.shape[2:]
    # A 3×3 kernel on four equal pixels equals a 4×4 kernel on one pixel and three zeros.
    kernel = ops.pad(kernel, [(1, 1), (1, 1), (0, 0), (0, 0)])
    kernel = kernel[1:] + kernel[:-1]
    kernel = kernel[:, 1:] + kernel[:, :-1]
    # Each 2×2 window of pixels gives 2×2 pixels, computed as four times the channels.
    taps = ops.flip(ops.reshape(kernel, (2, 2, 2, 2, inputs, outputs)), axis=(1, 3))
    taps = ops.reshape(ops.transpose(taps, (0, 2, 4, 1, 3, 5)), (2, 2, inputs, 4 * outputs))
    maps = _with_border(maps, *_spatial_axes())
    # With patches a training step is 6 % faster; with a convolution generation is 8 % faster.
    maps = to_nhwc(_by_patches(maps, taps) if _DIFFERENTIABLE.get() else ops.conv(maps, taps, padding="valid"))
    batch, height, width, _ = maps.shape
    maps = ops.transpose(ops.reshape(maps, (batch, height, width, 2, 2, outputs)), (0, 1, 3, 2, 4, 5))
    return from_nhwc(ops.reshape(maps, (batch, 2 * height, 2 * width, outputs))[:, 1:-1, 1:-1])


def _is_jax_on_cpu() -> bool:
    # There XLA takes five times as long for a transposed convolution, and ten times for the second derivative of a
    # strided one, which R1 needs. Elsewhere convolutions are faster and take less memory.
    if keras.backend.backend() != "jax":
        return False
    framework = framework_in_use()
    return framework is not None and framework.device.startswith("cpu")


def _by_patches(maps: Tensor, kernel: Tensor, strides: int = 1) -> Tensor:
    """Convolve without padding, as a product of image patches with the kernel."""
    maps, (size, _, inputs, outputs) = to_nhwc(maps), kernel.shape
    height, width = (maps.shape[axis] - size + 1 for axis in (1, 2))
    places = [(slice(i, i + height, strides), slice(j, j + width, strides)) for i in range(size) for j in range(size)]
    patches = ops.concatenate([maps[:, rows, columns] for rows, columns in places], axis=-1)
    return from_nhwc(patches @ ops.reshape(kernel, (size * size * inputs, outputs)))


def _strided_conv(maps: Tensor, kernel: Tensor) -> Tensor:
    return _halving_conv(_with_border(maps, *_spatial_axes()), kernel)


_CONVOLUTIONS = {None: _conv, "up": _doubling_conv, "down": _halving_conv, "stride": _strided_conv}


def _filter(maps: Tensor, weights: Sequence[float], border: bool) -> Tensor:
    """Filter `maps`, zero-padded if `border`, along both axes with symmetric `weights`."""
    if _convolves_by_channel():
        same = border and len(weights) % 2 == 1
        maps = _with_border(maps, *_spatial_axes()) if border and not same else maps
        kernel = np.outer(weights, weights)[:, :, None, None]
        channels = maps.shape[-1] if _channels_last() else maps.shape[1]
        kernel = ops.convert_to_tensor(np.repeat(kernel, channels, axis=2), maps.dtype)
        return ops.depthwise_conv(maps, kernel, padding="same" if same else "valid")
    for axis in _spatial_axes():
        before = maps.shape[axis]
        after = before + 2 * border + 1 - len(weights)
        # Multiplying by a banded matrix is one operation; shifting and adding takes many, and so do the gradients. On
        # large maps the matrix would be mostly zeros.
        if min(before, after) <= _SMALL:
            diagonals = [weight * np.eye(after, before, k=k - border) for k, weight in enumerate(weights)]
            maps = _along(maps, axis, np.sum(diagonals, axis=0))
        else:
            maps = _with_border(maps, axis) if border else maps
            rest, least = (slice(None),) * axis, min(weights)
            # The weights are powers of two, so taking the smallest out of the sum saves work without rounding.
            shifts = [_times(weight / least, maps[(*rest, slice(k, k + after))]) for k, weight in enumerate(weights)]
            maps = _times(least, sum(shifts[1:], shifts[0]))
    return maps


def _convolves_by_channel() -> bool:
    # XLA on a CPU takes ten times as long for it. TensorFlow uses XLA for training only.
    framework = keras.backend.backend()
    return framework == "torch" or (framework == "tensorflow" and not _DIFFERENTIABLE.get())


def _times(factor: float, array: Tensor) -> Tensor:
    return array if factor == 1 else factor * array


def _along(array: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    """Multiply `matrix` with every column of `array` along `axis`."""
    before, after = array.shape[:axis], array.shape[axis + 1 :]
    if not after:
        return array @ ops.convert_to_tensor(matrix.T, array.dtype)
    # -1, because a program that TensorFlow exports does not know the number of images.
    columns = ops.reshape(array, (-1, array.shape[axis], prod(after)))
    # Use the operator, because `ops.matmul` turns float64 into float32 on PyTorch.
    product = ops.convert_to_tensor(matrix, array.dtype) @ columns
    return ops.reshape(product, (-1, *before[1:], len(matrix), *after))


def _with_border(maps: Tensor, *axes: int) -> Tensor:
    return ops.pad(maps, [(int(axis in axes),) * 2 for axis in range(4)])


def _channels_last() -> bool:
    return keras.config.image_data_format() == "channels_last"


def _spatial_axes() -> tuple[int, int]:
    return (1, 2) if _channels_last() else (2, 3)


def _beside(shape: Sequence[int], axes: tuple[int, int], size: int) -> list[int]:
    """Return `shape` with an axis of `size` after each of `axes`."""
    return [part for axis, length in enumerate(shape) for part in ((length, size) if axis in axes else (length,))]
