"""Writing checkpoints, and removing old ones.

Writes are atomic: after a crash, either the old or the new checkpoint is intact.
"""

import math
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from alae_core._support.files import sync_directory, write_atomically
from alae_core._support.manifest import read_bytes
from alae_core._support.text import short_repr
from alae_core._support.version import __version__
from alae_core.backend import Runner
from alae_core.checkpoint_files import (
    FORMAT,
    MANIFEST,
    STATE,
    Author,
    checkpoints,
    encode_manifest,
    find_not_finite,
    load_manifest,
)
from alae_core.config import Config
from alae_core.errors import CheckpointError
from alae_core.growth import count_shown


def save_checkpoint(
    directory: str | Path,
    runner: Runner,
    *,
    measure: float | None = None,
    keep: int | None = None,
    run: Mapping[str, Any] | None = None,
) -> Path:
    """Write the state of a run atomically to `directory`/step-NNNNNNNN, then remove old checkpoints.

    Args:
        directory: the directory of the run's checkpoints; created if missing.
        runner: the run; its state, configuration and backend are saved.
        measure: how good the model is, lower is better; the best checkpoint is never removed. A value that is not
            finite is saved as None.
        keep: the number of newest checkpoints to keep besides the best; None keeps all.
        run: plain data for JSON, returned by `Checkpoint.run`.

    Returns:
        The new checkpoint's path.

    Raises:
        CheckpointError: the state is not finite.
        ArgumentError: `run` is not plain data, or exceeds the size of a manifest, MOST_BYTES.
        OSError: the disk is full, or permission is missing; nothing is left of the new checkpoint.
    """
    return write_checkpoint(
        directory, runner.state(), runner.model.config, author=runner.backend, measure=measure, keep=keep, run=run
    )


def write_checkpoint(
    directory: str | Path,
    state: Mapping[str, np.ndarray],
    config: Config,
    *,
    author: Author,
    measure: float | None = None,
    keep: int | None = None,
    run: Mapping[str, Any] | None = None,
) -> Path:
    """Save a state without a runner, like `save_checkpoint`; `author` is recorded as the software that computed it."""
    directory, step = Path(directory), int(state["step"])
    if (wrong := find_not_finite(state)) is not None:
        raise CheckpointError(f"{short_repr(wrong)} is not finite")
    content = safetensors.numpy.save({key: np.array(value, order="C") for key, value in state.items()})
    manifest = encode_manifest(
        {
            "format": FORMAT,
            "step": step,
            "shown": count_shown(config, step),
            "metric": measure if measure is None or math.isfinite(measure) else None,
            "backend": author.name,
            "versions": {"alae": __version__, **author.versions()},
            "config": config.data(),
            "run": dict(run or {}),
            "files": {STATE: sha256(content).hexdigest()},
        }
    )
    path = _write_files(directory, step, {STATE: content, MANIFEST: manifest})
    if keep is not None:
        _remove_old(directory, keep)
    return path


def copy_checkpoint(checkpoint: Path, directory: Path) -> Path:
    """Copy a checkpoint atomically to `directory`/step-NNNNNNNN, and return the copy.

    Raises CheckpointError if it cannot be read, and OSError as `save_checkpoint`.
    """
    files = {name: read_bytes(checkpoint / name, None, CheckpointError) for name in (STATE, MANIFEST)}
    return _write_files(directory, load_manifest(checkpoint).step, files)


def _write_files(directory: Path, step: int, files: Mapping[str, bytes]) -> Path:
    # Leftovers of a process that was killed while writing; the run's lock excludes other writers.
    for leftover in directory.glob(".writing-*"):
        shutil.rmtree(leftover)
    name = f"step-{step:08d}"
    writing = directory / f".writing-{name}"
    writing.mkdir(parents=True)
    try:
        for file, content in files.items():
            write_atomically(writing / file, content)
        if (directory / name).exists():
            # A run that was resumed from an earlier checkpoint reaches this step again.
            _remove(directory / name)
        writing.rename(directory / name)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    sync_directory(directory)
    return directory / name


def _remove_old(directory: Path, keep: int) -> None:
    present = checkpoints(directory)
    measures = {path: measure for path in present if (measure := _load_measure(path)) is not None}
    best = min(measures, key=lambda path: measures[path], default=None)
    for path in present[:-keep]:
        if path != best:
            _remove(path)


def _load_measure(path: Path) -> float | None:
    try:
        return load_manifest(path).measure
    except CheckpointError:
        return None


def _remove(path: Path) -> None:
    # Renamed first, so that a crash while deleting does not leave an incomplete checkpoint.
    going = path.with_name(f".writing-{path.name}-removed")
    path.rename(going)
    shutil.rmtree(going)
