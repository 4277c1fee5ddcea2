"""The authors' published checkpoints, as checkpoints of ours: F, G, E, D, their averages and the running mean of w.

The authors store kernels multiplied by their equalizing constant, and scale their steps; the constant is divided out.
Sizes follow from the shapes of the tensors. Optimizer state is left behind.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

import numpy as np

from alae_core.checkpoint import write_checkpoint
from alae_core.config import SPECIFICATION, Config, make_config
from alae_core.errors import CheckpointError, ConfigError
from alae_core.growth import scheduled_steps
from alae_workbench.exchange.torch_files import Tensor, read_torch_file

#: our networks by the names in the authors' checkpoints
NETWORKS = {"F": "mapping_fl", "G": "generator", "E": "discriminator", "D": "mapping_tl"}
#: images per step at each level of detail; the last holds for all further ones
_BATCHES = (512, 256, 128, 64, 32)
#: resolution from which the authors upsample within a convolution, its kernel's channels exchanged
_TRANSPOSED_FROM = 128

Arrays = dict[str, np.ndarray]


class Theirs(NamedTuple):
    """A tensor of the authors': its name and shape, and what turns it into our weight."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[np.ndarray], np.ndarray]


def import_official(file: str | Path, out: str | Path) -> Path:
    """Write the authors' checkpoint `file` as a run of ours in `out`, for `alae_core.load` and `alae train --resume`.

    Returns:
        The new checkpoint's path, `out`/checkpoints/step-…, at the end of a growth schedule as the authors used it.

    Raises:
        CheckpointError: the file cannot be read (see `torch_files`), its tensors are not those of a StyleALAE, or
            `out` is there already. Nothing is left behind.
    """
    file, out = Path(file), Path(out)
    if out.exists():
        raise CheckpointError(f"{out} is there already: choose another place")
    models = read_models(file)
    config = config_of(models, description=f"imported from {file.name}")
    state = _state(models, config)
    out.mkdir(parents=True)
    try:
        return write_checkpoint(out / "checkpoints", state, config, author=_Authors())
    except BaseException:
        rmtree(out, ignore_errors=True)
        raise


class _Authors:
    """See `checkpoint.Author`."""

    name = "official"

    def versions(self) -> dict[str, str]:
        return {}


def read_models(file: Path) -> dict[str, Arrays]:
    """Every state dictionary under "models" in the authors' checkpoint: arrays by the authors' names.

    They are float32; float64 where the file holds any, as that of a model that was made double.
    """
    saved, numbers = read_torch_file(file)
    models = saved.get("models") if isinstance(saved, dict) else None
    if not isinstance(models, dict):
        raise CheckpointError(f"{file} is no checkpoint of the authors': it has no 'models'")
    states = {
        name: {key: value for key, value in state.items() if isinstance(key, str) and isinstance(value, Tensor)}
        for name, state in models.items()
        if isinstance(state, dict)
    }
    if sum(tensor.nbytes for state in states.values() for tensor in state.values()) > file.stat().st_size:
        raise CheckpointError(f"{file} is no checkpoint of the authors': its tensors are larger than the file")
    doubles = any(tensor.storage.dtype == "<f8" for state in states.values() for tensor in state.values())
    dtype = np.float64 if doubles else np.float32
    return {
        name: {key: numbers(tensor).astype(dtype) for key, tensor in state.items()} for name, state in states.items()
    }


def config_of(models: Mapping[str, Arrays], description: str = "") -> Config:
    """The configuration whose networks have the shapes of these tensors. Raises CheckpointError where there is none."""
    try:
        E, F = models["discriminator"], models["mapping_fl"]
        lods = sum(key.endswith("from_rgb.weight") for key in E)
        first, channels = E["from_rgb.0.from_rgb.weight"].shape[:2]
        last = E[f"encode_block.{lods - 1}.conv_2.weight"].shape[0]
        w, z = E["encode_block.0.style_1.weight"].shape[0], F["map_blocks.0.fc.weight"].shape[1]
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"these are not the tensors of a StyleALAE: {error} is missing; the authors' default networks are read, "
            "not their ablations"
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
        "growth": {"levels": [{"images": 600_000, "batch_size": _BATCHES[min(lod, 4)]} for lod in range(lods)]},
        "batch_size": _BATCHES[-1],
        "adam": {"learning_rate": 0.0015},
        "precision": E["from_rgb.0.from_rgb.weight"].dtype.name,
    }
    try:
        return make_config(data)
    except ConfigError as error:
        raise CheckpointError(f"these are not the tensors of a StyleALAE: {error}") from error


def convert(models: Mapping[str, Arrays], config: Config, *, averaged: bool = False) -> Arrays:
    """The weights by our names (`Alae.variables`), of the networks as trained or of their averages.

    Raises CheckpointError where a tensor is missing, left over, or of another shape than `config` gives it.
    """
    arrays: Arrays = {}
    for network, theirs in NETWORKS.items():
        name = f"{theirs}_s" if averaged else theirs
        if name not in models:
            raise CheckpointError(f"the authors' checkpoint has no {name!r}, which is our {network}")
        left = {key: array for key, array in models[name].items() if not key.endswith("blur.weight")}
        for ours, (key, shape, read) in names(network, config).items():
            if key not in left:
                raise CheckpointError(f"{name!r} has no tensor {key!r}")
            array = left.pop(key)
            if array.shape != shape:
                raise CheckpointError(f"{key!r} of {name!r} has shape {array.shape}, but its place is for {shape}")
            arrays[ours] = np.ascontiguousarray(read(array), config.dtype)
        if left:
            raise CheckpointError(f"{name!r} has tensors that no StyleALAE has: {', '.join(sorted(left)[:3])}")
    return arrays


def names(network: str, config: Config) -> dict[str, Theirs]:
    """For each of our weights the tensor of the authors that it is made of."""
    networks, lods = config.style, config.lods
    widths, w, channels = networks.widths(lods), networks.w, config.image[2]
    found: dict[str, Theirs] = {}

    def dense(
        ours: str,
        theirs: str,
        inputs: int,
        outputs: int,
        *,
        gain: float = 2**0.5,
        lrmul: float = 1.0,
        row: int | None = None,
    ) -> None:
        rows, scale = slice(row, None if row is None else row + 1), gain / inputs**0.5 * lrmul
        found[f"{ours}/kernel"] = Theirs(f"{theirs}.weight", (outputs, inputs), lambda array: array[rows].T / scale)
        found[f"{ours}/bias"] = Theirs(f"{theirs}.bias", (outputs,), lambda array: array[rows] / lrmul)

    def conv(ours: str, theirs: str, inputs: int, outputs: int, size: int = 3, *, gain: float = 2**0.5) -> None:
        shape, scale = (outputs, inputs, size, size), gain / (size**2 * inputs) ** 0.5
        found[f"{ours}/kernel"] = Theirs(f"{theirs}.weight", shape, lambda array: array.transpose(2, 3, 1, 0) / scale)

    def transposed_conv(ours: str, theirs: str, inputs: int, outputs: int) -> None:
        # Its kernel has its channels exchanged, and is read from the output's side.
        shape, scale = (inputs, outputs, 3, 3), 2**0.5 / (9 * inputs) ** 0.5
        found[f"{ours}/kernel"] = Theirs(
            f"{theirs}.weight", shape, lambda array: array.transpose(2, 3, 0, 1)[::-1, ::-1] / scale
        )

    def vector(ours: str, theirs: str, *shape: int) -> None:
        found[ours] = Theirs(theirs, shape, lambda array: array.reshape(-1))

    match network:
        case "F":
            for i in range(networks.mapping_layers):
                dense(f"F/dense{i}", f"map_blocks.{i}.fc", w if i else networks.z, w, lrmul=0.1)
        case "D":
            for i in range(2):
                dense(f"D/dense{i}", f"map_blocks.{i}", w, w, lrmul=0.1)
            # Of the last layer's outputs the authors read the one at w.
            dense("D/dense2", "map_blocks.2", w, 2 * w, lrmul=0.1, row=w)
        case "G":
            found["G/const"] = Theirs("const", (1, widths[0], 4, 4), lambda array: array[0].transpose(1, 2, 0))
            for i, width in enumerate(widths):
                ours, theirs = f"G/block{i}", f"decode_block.{i}"
                if i:
                    upsampling = transposed_conv if 4 * 2**i >= _TRANSPOSED_FROM else conv
                    upsampling(f"{ours}/conv1", f"{theirs}.conv_1", widths[i - 1], width)
                conv(f"{ours}/conv2", f"{theirs}.conv_2", width, width)
                for k in (1, 2):
                    vector(f"{ours}/styled{k}/noise", f"{theirs}.noise_weight_{k}", 1, width, 1, 1)
                    vector(f"{ours}/styled{k}/bias", f"{theirs}.bias_{k}", 1, width, 1, 1)
                    dense(f"{ours}/styled{k}/style", f"{theirs}.style_{k}", w, 2 * width, gain=1.0)
                conv(f"G/to_rgb{i}", f"to_rgb.{i}.to_rgb", width, channels, 1, gain=0.03)
                vector(f"G/to_rgb{i}/bias", f"to_rgb.{i}.to_rgb.bias", channels)
        case "E":
            for i, width in enumerate(widths):
                # The authors count E's blocks from the finest.
                ours, theirs, below = f"E/block{i}", f"encode_block.{lods - 1 - i}", networks.width(lods - i)
                conv(f"E/from_rgb{i}", f"from_rgb.{lods - 1 - i}.from_rgb", channels, width, 1)
                vector(f"E/from_rgb{i}/bias", f"from_rgb.{lods - 1 - i}.from_rgb.bias", width)
                for k, described in ((1, width), (2, below)):
                    conv(f"{ours}/conv{k}", f"{theirs}.conv_{k}", width, described)
                    vector(f"{ours}/described{k}/bias", f"{theirs}.bias_{k}", 1, described, 1, 1)
                    dense(f"{ours}/described{k}/style", f"{theirs}.style_{k}", 2 * described, w)
    return found


def _state(models: Mapping[str, Arrays], config: Config) -> Arrays:
    weights, averages = convert(models, config), convert(models, config, averaged=True)
    mean = _mean_of_w(models, config)
    # Keras comes with these: what is refused above is refused without it.
    from alae_core.state import initial_state
    from alae_core.updates import updates_of

    state = initial_state(config, updates_of(config), weights, mean)
    state |= {f"averages/{name}": array for name, array in averages.items()}
    return state | {"step": np.array(scheduled_steps(config), np.int64)}


def _mean_of_w(models: Mapping[str, Arrays], config: Config) -> np.ndarray:
    rows = models.get("dlatent_avg", {}).get("buff")
    if rows is None or rows.shape != (2 * config.lods, config.style.w) or (rows != rows[0]).any():
        raise CheckpointError("the authors' checkpoint has no running mean of w that all style layers share")
    return rows[0].copy()
