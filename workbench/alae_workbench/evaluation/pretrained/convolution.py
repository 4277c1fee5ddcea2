"""Parts shared by the convolutional networks: compilation, batches, convolutions, and folding of batch norm."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from alae_core.inference import BatchedFunction, split
from alae_workbench.evaluation.spaces import Features, to_colour

#: weights by name: biases, and kernels (k, k, in, out), or (k, k, in, 1) for depthwise convolutions
Arrays = Mapping[str, np.ndarray]


def compile_network(network: Callable[..., Any], weights: Arrays, batch_size: int) -> Callable[..., np.ndarray]:
    """Compile `network(weights, *tensors)` to a function of arrays (count, …) that returns an array (count, …).

    Every batch is padded to `batch_size`, so that one shape is compiled once.
    """
    from keras import ops

    tensors = {name: ops.convert_to_tensor(array) for name, array in weights.items()}
    return partial(BatchedFunction(network, batch_size, least=batch_size), tensors)


def batch_features(
    run: Callable[[np.ndarray], np.ndarray], batch_size: int, prepare: Callable[[np.ndarray], np.ndarray]
) -> Features:
    """Return the features `run(prepare(images))` of colour images; at most `batch_size` are prepared at once."""

    def features(images: np.ndarray) -> np.ndarray:
        return np.concatenate([run(prepare(to_colour(images[part]))) for part in split(len(images), batch_size)])

    return features


def convolve(x: Any, kernel: Any, bias: Any, stride: int = 1, padding: str = "same", *, depthwise: bool = False) -> Any:
    """Return a convolution of images (batch, H, W, C) plus its bias."""
    from keras import ops

    layer = ops.depthwise_conv if depthwise else ops.conv
    return layer(x, kernel, strides=stride, padding=padding, data_format="channels_last") + bias


def fold_batch_norm(
    arrays: Arrays, convolution: str, norm: str, epsilon: float, *, depthwise: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of a PyTorch convolution without bias and the batch norm after it, as one convolution."""
    scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + epsilon)
    kernel = arrays[f"{convolution}.weight"] * scale[:, None, None, None]
    # PyTorch has (out, in, k, k), and (channels, 1, k, k) for depthwise convolutions.
    kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    bias = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * scale
    return np.ascontiguousarray(kernel, np.float32), bias.astype(np.float32)
