"""Checkpoints: a directory with the state as safetensors and a JSON manifest, whole or not there at all.

    step-00001000/
        state.safetensors      every array of `alae_core.state`
        manifest.json          format, step, seed, configuration, who wrote it, the SHA-256 of each file and of itself

Reading one parses JSON and copies numbers: nothing in it is ever executed.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from alae_core.config import Config, make_config
from alae_core.errors import AlaeError, CheckpointError

if TYPE_CHECKING:
    from alae_core.model import Alae

FORMAT = 1
_STATE, _MANIFEST = "state.safetensors", "manifest.json"


class Author(Protocol):
    """Who writes a checkpoint: a `Backend`, as far as a checkpoint records it."""

    @property
    def name(self) -> str:
        """What `--backend` calls it."""

    def versions(self) -> dict[str, str]:
        """Versions of the software that it computes with."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that has been read and verified."""

    path: Path
    config: Config
    seed: int
    step: int
    backend: str  # the plug-in that wrote it; any other may go on from it
    versions: Mapping[str, str]
    metric: float | None
    averaged: bool
    state: dict[str, np.ndarray]

    @cached_property
    def model(self) -> "Alae":
        """The networks with this checkpoint's weights: the averaged ones if it was loaded so."""
        from alae_core.model import build

        alae, prefix = build(self.config), "averages/" if self.averaged else "weights/"
        alae.set_weights(
            {name.removeprefix(prefix): value for name, value in self.state.items() if name.startswith(prefix)}
        )
        if "w_mean" in self.state:
            alae.w_mean = self.state["w_mean"]
        return alae


def save_checkpoint(
    directory: str | Path,
    state: Mapping[str, np.ndarray],
    config: Config,
    *,
    seed: int,
    backend: Author,
    metric: float | None = None,
    keep: int | None = None,
) -> Path:
    """Write `directory`/step-NNNNNNNN, whole or not at all, then drop old ones.

    Args:
        directory: where checkpoints lie beside each other; made if need be.
        state: `Runner.state()`.
        config, seed: what the run was started with.
        backend: what computed `state`; its name and versions are recorded.
        metric: how good the model is, lower is better; the best checkpoint is never dropped.
        keep: how many of the newest stay, besides the best; None keeps all.

    Returns:
        The new checkpoint's path.
    """
    directory, step = Path(directory), int(state["step"])
    # Killed earlier while writing: what it left is no checkpoint, and nobody else writes here.
    for leftover in directory.glob(".writing-*"):
        shutil.rmtree(leftover)
    name = f"step-{step:08d}"
    writing = directory / f".writing-{name}"
    writing.mkdir(parents=True)
    content = safetensors.numpy.save({key: np.array(value, order="C") for key, value in state.items()})
    manifest = {
        "format": FORMAT,
        "step": step,
        "seed": seed,
        "metric": metric,
        "backend": backend.name,
        "versions": {"alae": version("alae"), **backend.versions()},
        "config": config.model_dump(mode="json"),
        "files": {_STATE: sha256(content).hexdigest()},
    }
    manifest["sha256"] = _digest(manifest)
    _write_synced(writing / _STATE, content)
    _write_synced(writing / _MANIFEST, json.dumps(manifest, indent=2).encode())
    _sync_directory(writing)
    if (directory / name).exists():
        # Only a run that went back to an earlier checkpoint comes by this step again.
        _remove(directory / name)
    writing.rename(directory / name)
    _sync_directory(directory)
    if keep is not None:
        _drop_old(directory, keep)
    return directory / name


def load_checkpoint(directory: str | Path, averaged: bool = False) -> Checkpoint:
    """Read and verify a checkpoint.

    Args:
        directory: a checkpoint, a directory of checkpoints, or a run that has a `checkpoints` directory; of several,
            the newest is read.
        averaged: whether `.model` holds the averaged networks instead of the trained ones.

    Raises:
        CheckpointError: there is none, or it is damaged: the file at fault and the newest intact older one are named.
    """
    path = _resolve(Path(directory))
    try:
        return _read(path, averaged)
    except CheckpointError as error:
        older = [other for other in reversed(checkpoints(path.parent)) if other.name < path.name and _is_intact(other)]
        advice = f"an older one is intact: {older[0]}" if older else "no older one is intact"
        raise CheckpointError(f"{error}; {advice}") from error


def checkpoints(directory: Path) -> list[Path]:
    """The checkpoints that lie in `directory`, oldest first; half-written ones are none."""
    return sorted(path for path in directory.glob("step-*") if re.fullmatch(r"step-\d{8,}", path.name))


def _resolve(directory: Path) -> Path:
    if (directory / _MANIFEST).exists() or re.fullmatch(r"step-\d{8,}", directory.name):
        return directory
    found = checkpoints(directory / "checkpoints") or checkpoints(directory)
    if not found:
        raise CheckpointError(
            f"there is no checkpoint in {directory}: give a run of `alae train`, or one of its checkpoints/step-…"
        )
    return found[-1]


def _read(path: Path, averaged: bool) -> Checkpoint:
    manifest = _read_manifest(path)
    contents = {name: _read_file(path / name) for name in manifest["files"]}
    for name, digest in manifest["files"].items():
        if sha256(contents[name]).hexdigest() != digest:
            raise CheckpointError(f"{path / name} is damaged: its SHA-256 is not the one in {_MANIFEST}")
    try:
        state = safetensors.numpy.load(contents[_STATE])
        config = make_config(manifest["config"], source=str(path / _MANIFEST))
    except (SafetensorError, AlaeError) as error:
        raise CheckpointError(f"{path} cannot be read by this version of alae: {error}") from error
    return Checkpoint(
        path=path,
        config=config,
        seed=manifest["seed"],
        step=manifest["step"],
        backend=manifest["backend"],
        versions=manifest["versions"],
        metric=manifest["metric"],
        averaged=averaged,
        state=state,
    )


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / _MANIFEST
    try:
        manifest = json.loads(_read_file(file))
        digest, written = manifest.pop("sha256"), manifest["format"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} is damaged: it is not a manifest") from error
    if written != FORMAT:
        raise CheckpointError(f"{file} has format {written}, but this version of alae reads format {FORMAT}")
    if digest != _digest(manifest):
        raise CheckpointError(f"{file} is damaged: its own SHA-256 does not fit")
    return manifest


def _is_intact(path: Path) -> bool:
    try:
        _read(path, averaged=False)
    except CheckpointError:
        return False
    return True


def _drop_old(directory: Path, keep: int) -> None:
    present = checkpoints(directory)
    best = min(present, key=_metric, default=None)
    for path in present[:-keep]:
        if path != best:
            _remove(path)


def _metric(path: Path) -> float:
    try:
        metric = _read_manifest(path)["metric"]
    except CheckpointError:
        metric = None
    return float("inf") if metric is None else metric


def _remove(path: Path) -> None:
    # Renamed first: a kill in the middle of deleting leaves no half checkpoint under a checkpoint's name.
    going = path.with_name(f".writing-{path.name}-removed")
    path.rename(going)
    shutil.rmtree(going)


def _digest(manifest: Mapping[str, Any]) -> str:
    return sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    if os.name == "nt":
        return  # Windows has no such call; a rename there is a record of its file system's journal.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
