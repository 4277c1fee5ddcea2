"""What networks of convolutions have in common: kernels as keras.ops wants them, and images in batches of one size."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from alae_core.framework import framework_in_use
from alae_workbench.evaluation.spaces import Features, in_colour

#: kernels (k, k, in, out), or (k, k, in, 1) of depthwise convolutions, and biases, by name
Arrays = Mapping[str, np.ndarray]


def compiled(network: Callable[..., Any], weights: Arrays, together: int) -> Callable[..., np.ndarray]:
    """A function of arrays by a network of `weights` and them, row by row.

    It takes `together` rows at a time, the last ones filled up with zeros, so that one shape is compiled once.
    """
    from keras import ops

    backend = framework_in_use()
    run = network if backend is None else backend.compile(network)
    tensors = {name: ops.convert_to_tensor(array) for name, array in weights.items()}

    def answer(*arrays: np.ndarray) -> np.ndarray:
        count, found = len(arrays[0]), []
        for start in range(0, max(count, 1), together):
            parts = [array[start : start + together] for array in arrays]
            lacking = together - len(parts[0])
            if lacking:
                parts = [np.concatenate([part, np.zeros((lacking, *part.shape[1:]), part.dtype)]) for part in parts]
            found.append(ops.convert_to_numpy(run(tensors, *map(ops.convert_to_tensor, parts))))
        return np.concatenate(found)[:count]

    return answer


def by_batches(
    run: Callable[[np.ndarray], np.ndarray], together: int, prepare: Callable[[np.ndarray], np.ndarray]
) -> Features:
    """Features by a function of prepared images; `prepare` sees colour bytes of `together` images at the most."""

    def features(images: np.ndarray) -> np.ndarray:
        parts = [images[start : start + together] for start in range(0, max(len(images), 1), together)]
        return np.concatenate([run(prepare(in_colour(part))) for part in parts])

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
