"""Inception v3 as FID knows it (TensorFlow's graph of 2015-12-05): its network over keras.ops, and two ways to resize.

The layers are those of Szegedy et al. 2016 (table 1), named as in PyTorch's ports of the graph. The graph leaves
the padding out of its means, and its last block has a maximum where the one before has a mean.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.pretrained.convolution import by_batches, compiled, convolve, folded
from alae_workbench.evaluation.pretrained.weights import Weights
from alae_workbench.evaluation.spaces import Features
from alae_workbench.exchange.torch_files import read_torch_file

WEIGHTS = Weights(
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
Resize = Literal["legacy", "clean"]
_SIZE, _TOGETHER, _EPSILON = 299, 16, 1e-3

# A block is its branches side by side, a branch its layers one after the other; "max" and "mean" have no weights.
_Block = tuple[tuple[str, ...], ...]
_TRIPLE = ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
_SEVENS = tuple(f"branch7x7_{i}" for i in (1, 2, 3))
_DOUBLE = tuple(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))
_MEAN = ("mean", "branch_pool")
_A: _Block = (("branch1x1",), ("branch5x5_1", "branch5x5_2"), _TRIPLE, _MEAN)
_B: _Block = (("branch3x3",), _TRIPLE, ("max/2",))
_C: _Block = (("branch1x1",), _SEVENS, _DOUBLE, _MEAN)
_D: _Block = (("branch3x3_1", "branch3x3_2"), tuple(f"branch7x7x3_{i}" for i in (1, 2, 3, 4)), ("max/2",))


def _e(pool: str) -> _Block:
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
    **{f"Mixed_5{each}": _A for each in "bcd"},
    "Mixed_6a": _B,
    **{f"Mixed_6{each}": _C for each in "bcde"},
    "Mixed_7a": _D,
    "Mixed_7b": _e("mean"),
    "Mixed_7c": _e("max"),
}
#: layers that halve the image, and those that lose its edge; all others keep its size
_HALVING = {"Conv2d_1a_3x3", "Mixed_6a/branch3x3", "Mixed_6a/branch3x3dbl_3"} | {
    f"Mixed_7a/{name}" for name in ("branch3x3_2", "branch7x7x3_4")
}
_VALID = _HALVING | {"Conv2d_2a_3x3", "Conv2d_4a_3x3"}


class InceptionV3:
    """The 2,048 features of the last pooling, of images resized to 299×299; grey ones count as colour.

    Args:
        resize: "legacy", as TensorFlow 1 resized: bilinear, from the upper left corner, not smoothed first; or "clean",
            by Pillow's bicubic filter and not rounded (Parmar et al. 2022).
    """

    width = 2048

    def __init__(self, resize: Resize) -> None:
        self.name, self.resize = f"inception_{resize}", resize

    def opened(self, keep: Keep) -> Features:
        """See `Space`. Raises CheckpointError where the file of weights is damaged."""
        resized = legacy if self.resize == "legacy" else clean
        run = _opened(WEIGHTS.found(keep))
        return by_batches(run, _TOGETHER, lambda images: (resized(images, _SIZE) - 128) / 128)


@cache
def _opened(path: Path) -> Callable[..., np.ndarray]:
    return compiled(network, read_weights(path), _TOGETHER)


def network(weights: Mapping[str, Any], x: Any) -> Any:
    """Features (batch, 2048) of images (batch, 299, 299, 3), by weights as `read_weights` has them."""
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


def layers() -> list[str]:
    """The names of the layers that have weights."""
    blocks = (f"{block}/{name}" for block, branches in _BLOCKS.items() for branch in branches for name in branch)
    return [name for name in dict.fromkeys((*_STEM, *blocks)) if not name.endswith(("max/2", "/max", "/mean"))]


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Kernels and biases, batch norm folded into both; see `convolution.Arrays`. Reading runs no code.

    Raises CheckpointError where the file is none of `torch.save`.
    """
    tensors, numbers = read_torch_file(path)
    found: dict[str, np.ndarray] = {}
    for name in layers():
        of = name.replace("/", ".")
        arrays = {key: numbers(tensor) for key, tensor in tensors.items() if key.startswith(f"{of}.") and tensor.shape}
        found[f"{name}/kernel"], found[f"{name}/bias"] = folded(arrays, f"{of}.conv", f"{of}.bn", _EPSILON)
    return found


def legacy(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (count, H, W, 3) as float32 (count, size, size, 3) in 0 … 255, as TensorFlow 1 resized.

    Pixel i of the result is read at i · H / size, between its two neighbours.
    """
    found = images.astype(np.float32)
    for axis in (1, 2):
        length = found.shape[axis]
        at = np.arange(size, dtype=np.float32) * np.float32(length / size)
        low = at.astype(int)
        share = (at - np.floor(at)).reshape((-1, *(1,) * (3 - axis)))
        near, far = found.take(low, axis), found.take(np.minimum(low + 1, length - 1), axis)
        found = near + (far - near) * share
    return found


def clean(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (count, H, W, 3) as float32 (count, size, size, 3) in 0 … 255, by Pillow's bicubic filter.

    Not rounded.
    """
    planes = images.transpose(0, 3, 1, 2).astype(np.float32).reshape(-1, *images.shape[1:3])
    shape, bicubic = (size, size), Image.Resampling.BICUBIC
    resized = [np.asarray(Image.fromarray(plane).resize(shape, bicubic)) for plane in planes]
    found = np.array(resized, np.float32).reshape(len(images), 3, *shape).transpose(0, 2, 3, 1)
    return np.clip(found, 0, 255)
