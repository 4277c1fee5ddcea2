"""What networks of convolutions have in common: kernels as keras.ops wants them, and images in batches of one size."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from alae_core.inference import BatchedFunction, split
from alae_workbench.evaluation.spaces import Features, in_colour

#: kernels (k, k, in, out), or (k, k, in, 1) of depthwise convolutions, and biases, by name
Arrays = Mapping[str, np.ndarray]


def compiled(network: Callable[..., Any], weights: Arrays, together: int) -> Callable[..., np.ndarray]:
    """A function of arrays by a network of `weights` and them, row by row.

    It takes `together` rows at a time, the last ones padded, so that one shape is compiled once.
    """
    from keras import ops

    tensors = {name: ops.convert_to_tensor(array) for name, array in weights.items()}
    return partial(BatchedFunction(network, together, least=together), tensors)


def by_batches(
    run: Callable[[np.ndarray], np.ndarray], together: int, prepare: Callable[[np.ndarray], np.ndarray]
) -> Features:
    """Features by a function of prepared images; `prepare` sees colour bytes of `together` images at the most."""

    def features(images: np.ndarray) -> np.ndarray:
        return np.concatenate([run(prepare(in_colour(images[part]))) for part in split(len(images), together)])

    return features


def convolve(x: Any, kernel: Any, bias: Any, stride: int = 1, padding: str = "same", *, depthwise: bool = False) -> Any:
    """A convolution of images (batch, H, W, C), and its bias."""
    from keras import ops

    layer = ops.depthwise_conv if depthwise else ops.conv
    return layer(x, kernel, strides=stride, padding=padding, data_format="channels_last") + bias


def folded(
    arrays: Arrays, convolution: str, norm: str, epsilon: float, *, depthwise: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The kernel and the bias of one of PyTorch's convolutions without a bias, the batch norm after it folded in."""
    scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + epsilon)
    kernel = arrays[f"{convolution}.weight"] * scale[:, None, None, None]
    # PyTorch's (out, in, k, k); of depthwise ones (channels, 1, k, k).
    kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    bias = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * scale
    return np.ascontiguousarray(kernel, np.float32), bias.astype(np.float32)
