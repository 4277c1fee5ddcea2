"""Inception v3 for FID (TensorFlow's graph of 2015-12-05), as a feature space: its network over keras.ops, and two ways
to resize images.

The layers are those of Szegedy et al. 2016 (table 1), named as in PyTorch's ports of the graph. In this graph, average
pooling does not count the padding, and the last block has max pooling where the block before it has average pooling.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.pretrained.convolution import batch_features, compile_network, convolve, fold_batch_norm
from alae_workbench.evaluation.pretrained.weights import Weights
from alae_workbench.evaluation.spaces import Features
from alae_workbench.exchange.torch_files import read_torch_file

WEIGHTS = Weights(
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
Resize = Literal["legacy", "clean"]
_SIZE, _BATCH, _EPSILON = 299, 16, 1e-3

# A block is a tuple of parallel branches, a branch a tuple of layers; "max" and "mean" are pooling.
_Block = tuple[tuple[str, ...], ...]
_TRIPLE = ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
_SEVENS = tuple(f"branch7x7_{i}" for i in (1, 2, 3))
_DOUBLE = tuple(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))
_MEAN = ("mean", "branch_pool")
_A: _Block = (("branch1x1",), ("branch5x5_1", "branch5x5_2"), _TRIPLE, _MEAN)
_B: _Block = (("branch3x3",), _TRIPLE, ("max/2",))
_C: _Block = (("branch1x1",), _SEVENS, _DOUBLE, _MEAN)
_D: _Block = (("branch3x3_1", "branch3x3_2"), tuple(f"branch7x7x3_{i}" for i in (1, 2, 3, 4)), ("max/2",))


def _make_block_e(pool: str) -> _Block:
    triple = _TRIPLE[:2]
    return (
        ("branch1x1",),
        ("branch3x3_1", "branch3x3_2a"),
        ("branch3x3_1", "branch3x3_2b"),
        (*triple, "branch3x3dbl_3a"),
        (*triple, "branch3x3dbl_3b"),
        (pool, "branch_pool"),
    )


_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "max/2", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "max/2")
_BLOCKS: dict[str, _Block] = {
    **{f"Mixed_5{letter}": _A for letter in "bcd"},
    "Mixed_6a": _B,
    **{f"Mixed_6{letter}": _C for letter in "bcde"},
    "Mixed_7a": _D,
    "Mixed_7b": _make_block_e("mean"),
    "Mixed_7c": _make_block_e("max"),
}
#: convolutions of stride 2, and those without padding; all others keep the size of the image
_HALVING = {"Conv2d_1a_3x3", "Mixed_6a/branch3x3", "Mixed_6a/branch3x3dbl_3"} | {
    f"Mixed_7a/{name}" for name in ("branch3x3_2", "branch7x7x3_4")
}
_VALID = _HALVING | {"Conv2d_2a_3x3", "Conv2d_4a_3x3"}


class InceptionV3:
    """The 2,048 features of the last pooling, for images resized to 299×299; grey images are converted to colour.

    Args:
        resize: "legacy", as TensorFlow 1: bilinear, aligned to the upper left corner, without antialiasing; or "clean":
            Pillow's bicubic filter without rounding (Parmar et al. 2022).
    """

    width = 2048

    def __init__(self, resize: Resize) -> None:
        self.name, self.resize = f"inception_{resize}", resize

    def features(self, cache: Cache) -> Features:
        """See `Space`. Raises CheckpointError if the file of weights is damaged."""
        resize = resize_legacy if self.resize == "legacy" else resize_clean
        run = _load_network(WEIGHTS.locate(cache))
        return batch_features(run, _BATCH, lambda images: (resize(images, _SIZE) - 128) / 128)


LEGACY, CLEAN = InceptionV3("legacy"), InceptionV3("clean")


@cache
def _load_network(path: Path) -> Callable[..., np.ndarray]:
    return compile_network(network, read_weights(path), _BATCH)


def network(weights: Mapping[str, Any], x: Any) -> Any:
    """Return features (batch, 2048) of images (batch, 299, 299, 3); weights as from `read_weights`."""
    from keras import ops

    def layer(x: Any, name: str) -> Any:
        kind = name.rpartition("/")[2]
        if name.endswith("max/2"):
            return ops.max_pool(x, 3, 2, "valid", data_format="channels_last")
        if kind == "max":
            return ops.max_pool(x, 3, 1, "same", data_format="channels_last")
        if kind == "mean":
            return ops.average_pool(x, 3, 1, "same", data_format="channels_last")
        stride, padding = 2 if name in _HALVING else 1, "valid" if name in _VALID else "same"
        return ops.relu(convolve(x, weights[f"{name}/kernel"], weights[f"{name}/bias"], stride, padding))

    def chain(x: Any, names: Any) -> Any:
        for name in names:
            x = layer(x, name)
        return x

    x = chain(x, _STEM)
    for block, branches in _BLOCKS.items():
        x = ops.concatenate([chain(x, [f"{block}/{name}" for name in branch]) for branch in branches], axis=-1)
    return ops.mean(x, axis=(1, 2))


def layer_names() -> list[str]:
    """Return the names of the layers that have weights."""
    blocks = (f"{block}/{name}" for block, branches in _BLOCKS.items() for branch in branches for name in branch)
    return [name for name in dict.fromkeys((*_STEM, *blocks)) if not name.endswith(("max/2", "/max", "/mean"))]


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read kernels and biases with batch norm folded into them; see `convolution.Arrays`. Runs no code of the file.

    Raises CheckpointError if `torch.save` did not write the file.
    """
    tensors, numbers = read_torch_file(path)
    weights: dict[str, np.ndarray] = {}
    for name in layer_names():
        key = name.replace("/", ".")
        own = {path: tensor for path, tensor in tensors.items() if path.startswith(f"{key}.") and tensor.shape}
        arrays = {path: numbers(tensor) for path, tensor in own.items()}
        kernel, bias = fold_batch_norm(arrays, f"{key}.conv", f"{key}.bn", _EPSILON)
        weights[f"{name}/kernel"], weights[f"{name}/bias"] = kernel, bias
    return weights


def resize_legacy(images: np.ndarray, size: int) -> np.ndarray:
    """Resize images uint8 (count, H, W, 3) to float32 (count, size, size, 3) in 0 … 255, as TensorFlow 1 does.

    Pixel i of the result is interpolated linearly at position i · H / size.
    """
    resized = images.astype(np.float32)
    for axis in (1, 2):
        length = resized.shape[axis]
        positions = np.arange(size, dtype=np.float32) * np.float32(length / size)
        low = positions.astype(int)
        share = (positions - np.floor(positions)).reshape((-1, *(1,) * (3 - axis)))
        near, far = resized.take(low, axis), resized.take(np.minimum(low + 1, length - 1), axis)
        resized = near + (far - near) * share
    return resized


def resize_clean(images: np.ndarray, size: int) -> np.ndarray:
    """Resize images uint8 (count, H, W, 3) to float32 (count, size, size, 3) in 0 … 255 by Pillow's bicubic filter,
    without rounding.
    """
    planes = images.transpose(0, 3, 1, 2).astype(np.float32).reshape(-1, *images.shape[1:3])
    shape, bicubic = (size, size), Image.Resampling.BICUBIC
    resized = [np.asarray(Image.fromarray(plane).resize(shape, bicubic)) for plane in planes]
    stacked = np.array(resized, np.float32).reshape(len(images), 3, *shape).transpose(0, 2, 3, 1)
    return np.clip(stacked, 0, 255)
