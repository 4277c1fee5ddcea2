"""Checkpoints: saving and loading the state of a run, and choosing among the checkpoints of a directory.

A checkpoint is a directory, `step-00001000`; `checkpoint_files.py` defines its files. Writes are atomic: after a crash,
either the old or the new checkpoint is intact.
"""

import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

from alae_core._support.files import sync_directory, write_atomically
from alae_core._support.text import one_line, short_repr
from alae_core.backend import Runner, load_backend
from alae_core.backend_lookup import default_backend
from alae_core.checkpoint_files import (
    FORMAT,
    MANIFEST,
    STATE,
    Author,
    FirstManifest,
    decode_state,
    encode_manifest,
    find_not_finite,
    load_content,
    load_manifest,
    require_trained,
)
from alae_core.config import Config, make_config
from alae_core.config_data import RUN, migrate
from alae_core.errors import AlaeError, CheckpointError, PluginError
from alae_core.growth import position
from alae_core.view import View

if TYPE_CHECKING:
    from alae_core.model import Alae

_NAME = re.compile(r"step-([0-9]{8,})$")


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """A checkpoint that has been read and verified.

    Attributes:
        path: its directory.
        config: the configuration of the run.
        step: training steps done.
        backend: the backend that wrote it; every other can continue from it.
        versions: the versions of the software that wrote it.
        measure: how good the model is, lower is better; None if it was not measured.
        run: the plain data given to `save_checkpoint`.
        state: the arrays of `alae_core.state`; of an exported run only averages and running means.
    """

    path: Path
    config: Config
    step: int
    backend: str
    versions: Mapping[str, str]
    measure: float | None
    run: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def view(self) -> View | None:
        """The view of its last step; None for networks without levels."""
        return position(self.config, max(self.step - 1, 0)).view

    def model(self, averaged: bool = True) -> "Alae":
        """Return the model with this checkpoint's weights, averaged or as trained; its default view is `view`.

        A backend must have been opened for the configuration's precision, as by `load`. Raises CheckpointError if the
        run was exported, and `averaged` is false.
        """
        from alae_core.model import build

        if not averaged:
            require_trained(self.path, self.state)

        alae, prefix = build(self.config), "averages/" if averaged else "weights/"
        alae.set_weights(
            {name.removeprefix(prefix): value for name, value in self.state.items() if name.startswith(prefix)}
        )
        if alae.w_mean is not None and "w_mean" in self.state:
            alae.w_mean.assign(self.state["w_mean"])
        alae.view = self.view
        return alae

    def __repr__(self) -> str:
        weights = sum(array.size for name, array in self.state.items() if name.startswith("averages/"))
        at = f" at {self.view}" if self.view else ""
        return one_line(
            f"<checkpoint {self.path}: step {self.step:,}{at}, {weights:,} weights, written by {self.backend}; "
            f"{self.config}>"
        )


def load(path: str | Path, *, backend: str | None = None, device: str | None = None, averaged: bool = True) -> "Alae":
    """Return the model of a run or a checkpoint, ready to use.

    Args:
        path: as for `load_checkpoint`.
        backend, device: as for `load_backend`; the default backend is that of `default_backend`.
        averaged: whether to use the running averages of the weights, which give better images but lag in short runs,
            or the weights as trained.

    Raises CheckpointError as `load_checkpoint` does, and BackendError as `load_backend` does.
    """
    checkpoint = load_checkpoint(path)
    load_backend(backend or default_backend(), device, checkpoint.config.precision)
    return checkpoint.model(averaged)


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
            "metric": measure if measure is None or math.isfinite(measure) else None,
            "backend": author.name,
            "versions": {"alae": version("alae"), **author.versions()},
            "config": config.data(),
            "run": dict(run or {}),
            "files": {STATE: sha256(content).hexdigest()},
        }
    )
    # Leftovers of a process that was killed while writing; the run's lock excludes other writers.
    for leftover in directory.glob(".writing-*"):
        shutil.rmtree(leftover)
    name = f"step-{step:08d}"
    writing = directory / f".writing-{name}"
    writing.mkdir(parents=True)
    try:
        write_atomically(writing / STATE, content)
        write_atomically(writing / MANIFEST, manifest)
        if (directory / name).exists():
            # A run that was resumed from an earlier checkpoint reaches this step again.
            _remove(directory / name)
        writing.rename(directory / name)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    sync_directory(directory)
    if keep is not None:
        _remove_old(directory, keep)
    return directory / name


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read and verify a checkpoint.

    Args:
        path: a checkpoint, a directory of checkpoints, or a run directory with `checkpoints`; the newest checkpoint is
            read.

    Raises PluginError if its configuration needs a plug-in that is missing, changed or was never given on this machine
    (`load_plugin`). Raises CheckpointError if no checkpoint is found; if it is damaged, not finite, or does not fit its
    configuration (the message names the file, and the newest intact older checkpoint); or if its format or
    specification is of a newer version.
    """
    found = _resolve(Path(path))
    try:
        return _read(found)
    except CheckpointError as error:
        older = [other for other in reversed(checkpoints(found.parent)) if step_of(other) < step_of(found)]
        intact = next(filter(_is_intact, older), None)
        advice = f"an older one is intact: give {intact} instead" if intact else "no older one is intact"
        raise CheckpointError(f"{error}; {advice}") from error


def checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoints in `directory`, oldest first. Incomplete checkpoints are ignored."""
    # Sorted by number: by name, the step after 99,999,999 would be the oldest.
    return sorted((path for path in directory.glob("step-*") if _NAME.fullmatch(path.name)), key=step_of)


def step_of(path: Path) -> int:
    """Return the step at the end of a checkpoint's name, even if the checkpoint was renamed; −1 if there is none."""
    found = _NAME.search(path.name)
    return int(found[1]) if found else -1


def _resolve(directory: Path) -> Path:
    if _NAME.fullmatch(directory.name):
        return directory
    try:
        if (directory / MANIFEST).exists():
            return directory
        found = checkpoints(directory / "checkpoints") or checkpoints(directory)
    except (OSError, ValueError) as error:  # no permission; a name that is too long, or has a NUL
        raise CheckpointError(f"there is no checkpoint in {directory}: {error}") from error
    if not found:
        where = f"{directory}{'' if directory.is_dir() else ', which is not a folder'}"
        raise CheckpointError(
            f"there is no checkpoint in {where}: give a run of `alae train`, or one of its checkpoints/step-…"
        )
    return found[-1]


def _read(path: Path) -> Checkpoint:
    source = str(path / MANIFEST)
    manifest = load_manifest(path)
    content = load_content(path, manifest)
    try:
        written = migrate(manifest.config, source)
        written |= {"seed": manifest.seed} if isinstance(manifest, FirstManifest) else {}
        config = make_config(written, source=source)
    except PluginError as error:
        copies = [path.parent.parent / "plugins" / record.file for record in error.records if record.file]
        options = " ".join(f"--plugin {copy}" for copy in copies if copy.is_file())
        raise PluginError(f"{error}; copies in the run: {options}" if options else str(error)) from error
    except AlaeError as error:
        raise CheckpointError(f"{path} cannot be read by this version of alae: {error}") from error
    return Checkpoint(
        path=path,
        config=config,
        step=manifest.step,
        backend=manifest.backend,
        versions=manifest.versions,
        measure=manifest.measure,
        run={key: written[key] for key in (RUN,) if key in written} if manifest.run is None else manifest.run,
        state=decode_state(path / STATE, content, manifest.step, config),
    )


def _is_intact(path: Path) -> bool:
    try:
        _read(path)
    except AlaeError:
        return False
    return True


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
