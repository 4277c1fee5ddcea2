"""Convert the authors' published checkpoints to ours: F, G, E, D, their averages and the running mean of w.

The authors store weights already multiplied by their scales (`WeightSpec.scale`), so this module divides by them. Sizes
follow from the shapes of the tensors. The state of optimizers is not converted.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from alae_core._support.files import create_directory
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.config import Config, make_config
from alae_core.config_data import SPECIFICATION
from alae_core.errors import CheckpointError, ConfigError
from alae_core.growth import scheduled_steps
from alae_core.networks.layout import network_layout
from alae_core.networks.specs import WeightSpec, join_parts
from alae_workbench.exchange.torch_files import Tensor, read_torch_file

#: the networks that are imported
Network = Literal["F", "G", "E", "D"]
#: the names of our networks in the authors' checkpoints
NETWORKS: dict[Network, str] = {"F": "mapping_fl", "G": "generator", "E": "discriminator", "D": "mapping_tl"}
#: the names of our weights in the authors' checkpoints, "#" and "{}" for the numbers of blocks and layers
_NAMES = {
    "F/dense#/kernel": "map_blocks.{}.fc.weight",
    "F/dense#/bias": "map_blocks.{}.fc.bias",
    "G/const": "const",
    "G/block#/conv#/kernel": "decode_block.{}.conv_{}.weight",
    "G/block#/styled#/noise": "decode_block.{}.noise_weight_{}",
    "G/block#/styled#/bias": "decode_block.{}.bias_{}",
    "G/block#/styled#/style/kernel": "decode_block.{}.style_{}.weight",
    "G/block#/styled#/style/bias": "decode_block.{}.style_{}.bias",
    "G/to_rgb#/kernel": "to_rgb.{}.to_rgb.weight",
    "G/to_rgb#/bias": "to_rgb.{}.to_rgb.bias",
    "E/from_rgb#/kernel": "from_rgb.{}.from_rgb.weight",
    "E/from_rgb#/bias": "from_rgb.{}.from_rgb.bias",
    "E/block#/conv#/kernel": "encode_block.{}.conv_{}.weight",
    "E/block#/described#/bias": "encode_block.{}.bias_{}",
    "E/block#/described#/style/kernel": "encode_block.{}.style_{}.weight",
    "E/block#/described#/style/bias": "encode_block.{}.style_{}.bias",
    "D/dense#/kernel": "map_blocks.{}.weight",
    "D/dense#/bias": "map_blocks.{}.bias",
}
#: the authors' batch size at each level of detail; the last also applies to all further levels
_BATCH_SIZES = (512, 256, 128, 64, 32)
#: the resolution from which the authors upsample by a transposed convolution
_TRANSPOSED_FROM = 128

Arrays = dict[str, np.ndarray]


class OfficialTensor(NamedTuple):
    """A tensor in the authors' checkpoints.

    Attributes:
        name: its name within its network.
        shape: its shape.
        read: converts it to our weight.
    """

    name: str
    shape: tuple[int, ...]
    read: Callable[[np.ndarray], np.ndarray]


def import_official(file: str | Path, out: str | Path) -> Path:
    """Convert the authors' checkpoint `file` to a new run directory `out`, which can be loaded and resumed.

    Returns:
        The path of its checkpoint, `out`/checkpoints/step-…, at the end of the authors' growth schedule.

    Raises:
        CheckpointError: the file cannot be read (see `torch_files`), its tensors are not those of a StyleALAE, or
            `out` exists. Nothing is left behind.
    """
    file, out = Path(file), Path(out)
    if out.exists():
        raise CheckpointError(f"{out} exists already: choose another directory")
    models = read_models(file)
    config = config_of(models, description=f"imported from {file.name}")
    state = _make_state(models, config)
    with create_directory(out):
        return write_checkpoint(out / "checkpoints", state, config, author=_Authors())


class _Authors:
    """The `Author` recorded in converted checkpoints: the software that computed the state."""

    name = "official"

    def versions(self) -> dict[str, str]:
        return {}


def read_models(file: Path) -> dict[str, Arrays]:
    """Read the networks in the authors' checkpoint: arrays by the authors' names, for each network.

    They are float32, or float64 if the file holds any float64 tensor.
    """
    saved, numbers = read_torch_file(file)
    models = saved.get("models") if isinstance(saved, dict) else None
    if not isinstance(models, dict):
        raise CheckpointError(f"{file} is not a checkpoint of the authors' code: it has no 'models'")
    states = {
        name: {key: value for key, value in state.items() if isinstance(key, str) and isinstance(value, Tensor)}
        for name, state in models.items()
        if isinstance(state, dict)
    }
    if sum(tensor.nbytes for state in states.values() for tensor in state.values()) > file.stat().st_size:
        raise CheckpointError(f"{file} is not a checkpoint of the authors' code: its tensors are larger than the file")
    doubles = any(tensor.storage.dtype == "<f8" for state in states.values() for tensor in state.values())
    dtype = np.float64 if doubles else np.float32
    return {
        name: {key: numbers(tensor).astype(dtype) for key, tensor in state.items()} for name, state in states.items()
    }


def config_of(models: Mapping[str, Arrays], description: str = "") -> Config:
    """Derive the configuration from the shapes of tensors. Raises CheckpointError if no StyleALAE has these shapes."""
    try:
        E, F = models["discriminator"], models["mapping_fl"]
        lods = sum(key.endswith("from_rgb.weight") for key in E)
        first, channels = E["from_rgb.0.from_rgb.weight"].shape[:2]
        last = E[f"encode_block.{lods - 1}.conv_2.weight"].shape[0]
        w, z = E["encode_block.0.style_1.weight"].shape[0], F["map_blocks.0.fc.weight"].shape[1]
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"these are not the tensors of a StyleALAE: {error} is missing; only the authors' default networks can be "
            "imported, not their ablations"
        ) from error
    data: dict[str, Any] = {
        "specification": SPECIFICATION,
        "description": description,
        "image": [4 * 2 ** (lods - 1)] * 2 + [channels],
        "networks": {
            "family": "style",
            "z": z,
            "w": w,
            "startf": first,
            "maxf": last,
            "mapping_layers": sum(key.endswith("fc.weight") for key in F),
        },
        "updates": "official",
        "growth": {"levels": [{"images": 600_000, "batch_size": _BATCH_SIZES[min(lod, 4)]} for lod in range(lods)]},
        "batch_size": _BATCH_SIZES[-1],
        "adam": {"learning_rate": 0.0015},
        "precision": E["from_rgb.0.from_rgb.weight"].dtype.name,
    }
    try:
        return make_config(data)
    except ConfigError as error:
        raise CheckpointError(f"these are not the tensors of a StyleALAE: {error}") from error


def convert(models: Mapping[str, Arrays], config: Config, *, averaged: bool = False) -> Arrays:
    """Return the weights by our names (`Alae.variables`): the trained ones, or their averages.

    Raises CheckpointError if a tensor is missing, unknown, or has another shape than `config` gives it.
    """
    arrays: Arrays = {}
    for network, theirs in NETWORKS.items():
        name = f"{theirs}_s" if averaged else theirs
        if name not in models:
            raise CheckpointError(f"the authors' checkpoint has no network {name!r}, which becomes {network}")
        left = {key: array for key, array in models[name].items() if not key.endswith("blur.weight")}
        for ours, (key, shape, read) in official_tensors(network, config).items():
            if key not in left:
                raise CheckpointError(f"{name!r} has no tensor {key!r}")
            array = left.pop(key)
            if array.shape != shape:
                raise CheckpointError(f"{key!r} of {name!r} has shape {array.shape}, but must have {shape}")
            arrays[ours] = np.ascontiguousarray(read(array), config.dtype)
        if left:
            raise CheckpointError(f"{name!r} has unknown tensors: {', '.join(sorted(left)[:3])}")
    return arrays


def official_tensors(network: Network, config: Config) -> dict[str, OfficialTensor]:
    """Map the name of each of our weights of one network to the authors' tensor that it is read from."""
    specs = join_parts({network: network_layout(config, network)})
    return {ours: _official_tensor(ours, spec, config) for ours, spec in specs.items()}


def _official_tensor(ours: str, spec: WeightSpec, config: Config) -> OfficialTensor:
    theirs, shape, scale = _official_name(ours, config.lods), spec.shape, spec.scale
    if ours.startswith("D/dense2/"):
        # Of the last layer's 2w outputs, the authors use only the one at index w.
        w = config.style.w
        return OfficialTensor(theirs, (2 * w, *shape[:-1]), lambda array: array[w : w + 1].T / scale)
    match shape:
        case (size, _, inputs, outputs):
            kernel = (outputs, inputs, size, size)
            if theirs in _transposed_kernels(config.lods):
                # Its channels are exchanged, and its pixels reversed.
                kernel = (inputs, outputs, size, size)
                return OfficialTensor(theirs, kernel, lambda array: array.transpose(2, 3, 0, 1)[::-1, ::-1] / scale)
            return OfficialTensor(theirs, kernel, lambda array: array.transpose(2, 3, 1, 0) / scale)
        case (height, width, channels):
            return OfficialTensor(theirs, (1, channels, height, width), lambda array: array[0].transpose(1, 2, 0))
        case (inputs, outputs):
            return OfficialTensor(theirs, (outputs, inputs), lambda array: array.T / scale)
        case _:
            is_per_map = re.search(r"(bias|noise_weight)_\d$", theirs)
            stored = (1, *shape, 1, 1) if is_per_map else shape
            return OfficialTensor(theirs, stored, lambda array: array.reshape(-1) / scale)


def _official_name(ours: str, lods: int) -> str:
    numbers = [int(number) for number in re.findall(r"\d+", ours)]
    if ours.startswith("E/"):
        # The authors count E's blocks from the finest.
        numbers[0] = lods - 1 - numbers[0]
    return _NAMES[re.sub(r"\d+", "#", ours)].format(*numbers)


def _transposed_kernels(lods: int) -> set[str]:
    return {f"decode_block.{lod}.conv_1.weight" for lod in range(1, lods) if 4 * 2**lod >= _TRANSPOSED_FROM}


def _make_state(models: Mapping[str, Arrays], config: Config) -> Arrays:
    weights, averages = convert(models, config), convert(models, config, averaged=True)
    mean = _mean_of_w(models, config)
    # Imported here so that a refused file does not start Keras.
    from alae_core.state import initial_state
    from alae_core.updates import updates_of

    state = initial_state(config, updates_of(config), weights, mean)
    state |= {f"averages/{name}": array for name, array in averages.items()}
    return state | {"step": np.array(scheduled_steps(config), np.int64)}


def _mean_of_w(models: Mapping[str, Arrays], config: Config) -> np.ndarray:
    rows = models.get("dlatent_avg", {}).get("buff")
    if rows is None or rows.shape != (2 * config.lods, config.style.w) or (rows != rows[0]).any():
        raise CheckpointError("the authors' checkpoint has no running mean of w that is the same for all style layers")
    return rows[0].copy()
