"""Checkpoints: a directory with the state as safetensors and a JSON manifest, whole or not there at all.

    step-00001000/
        state.safetensors      every array of `alae_core.state`
        manifest.json          format, step, configuration, who wrote it, the SHA-256 of each file and of itself

Reading one parses JSON and copies numbers, and runs no code.
"""

import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import safetensors.numpy

from alae_core._support.files import sync_directory, write_whole
from alae_core._support.text import one_line, short_repr
from alae_core.backend import Runner, load_backend
from alae_core.checkpoint_files import (
    FORMAT,
    MANIFEST,
    STATE,
    FirstManifest,
    decode_state,
    encode_manifest,
    find_not_finite,
    load_content,
    load_manifest,
)
from alae_core.config import RUN, Config, make_config, migrate
from alae_core.errors import AlaeError, CheckpointError
from alae_core.growth import position
from alae_core.plugins import default_backend
from alae_core.view import View

if TYPE_CHECKING:
    from alae_core.model import Alae

_NAME = re.compile(r"step-([0-9]{8,})$")


class Author(Protocol):
    """Who writes a checkpoint: a `Backend`, as far as a checkpoint records it."""

    @property
    def name(self) -> str:
        """What `--backend` calls it."""

    def versions(self) -> dict[str, str]:
        """Versions of the software that it computes with."""


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """A checkpoint that has been read and verified.

    Attributes:
        path: its directory.
        config: what the run was started with.
        step: training steps done.
        backend: the plug-in that wrote it; any other may go on from it.
        versions: of the software that it was written by.
        metric: how good the model is, lower is better; None where nobody measured.
        run: plain data of whoever trained, as `save_checkpoint` was given it.
        state: the arrays of `alae_core.state`.
    """

    path: Path
    config: Config
    step: int
    backend: str
    versions: Mapping[str, str]
    metric: float | None
    run: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def view(self) -> View | None:
        """Where training had come to, for networks that grow."""
        return position(self.config, max(self.step - 1, 0)).view

    def model(self, averaged: bool = True) -> "Alae":
        """The networks with this checkpoint's weights, averaged or as trained, looked at where training had come to.

        A backend must have been opened for the configuration's precision, as `load` does.
        """
        from alae_core.model import build

        alae, prefix = build(self.config), "averages/" if averaged else "weights/"
        alae.set_weights(
            {name.removeprefix(prefix): value for name, value in self.state.items() if name.startswith(prefix)}
        )
        if alae.w_mean is not None and "w_mean" in self.state:
            alae.w_mean.assign(self.state["w_mean"])
        alae.view = self.view
        return alae

    def __repr__(self) -> str:
        weights = sum(array.size for name, array in self.state.items() if name.startswith("weights/"))
        at = f" at {self.view}" if self.view else ""
        return one_line(
            f"<checkpoint {self.path}: step {self.step:,}{at}, {weights:,} weights, written by {self.backend}; "
            f"{self.config}>"
        )


def load(path: str | Path, *, backend: str | None = None, device: str | None = None, averaged: bool = True) -> "Alae":
    """The model of a run or a checkpoint, ready to use.

    Args:
        path: as for `load_checkpoint`.
        backend, device: as for `load_backend`; by default KERAS_BACKEND, or the first framework installed.
        averaged: whether its weights are the running averages, which look better but lag in short runs, or those
            trained.

    Raises CheckpointError as `load_checkpoint` does, and BackendError as `load_backend` does.
    """
    checkpoint = load_checkpoint(path)
    load_backend(backend or default_backend(), device, checkpoint.config.precision)
    return checkpoint.model(averaged)


def save_checkpoint(
    directory: str | Path,
    runner: Runner,
    *,
    metric: float | None = None,
    keep: int | None = None,
    run: Mapping[str, Any] | None = None,
) -> Path:
    """Write the state of a run to `directory`/step-NNNNNNNN, whole or not at all, then drop old ones.

    Args:
        directory: where checkpoints lie beside each other; made if need be.
        runner: what is saved: state, configuration, and who computed it.
        metric: how good the model is, lower is better; the best checkpoint is never dropped. One that is not finite
            is None.
        keep: how many of the newest stay, besides the best; None keeps all.
        run: plain data, as JSON has it, to be given back by `Checkpoint.run`.

    Returns:
        The new checkpoint's path.

    Raises:
        CheckpointError: the state is not finite.
        ArgumentError: `run` is no plain data, or more than a manifest may hold, MOST_BYTES.
        OSError: there is no room, or no permission; nothing is left of the new checkpoint.
    """
    return write_checkpoint(
        directory, runner.state(), runner.model.config, author=runner.backend, metric=metric, keep=keep, run=run
    )


def write_checkpoint(
    directory: str | Path,
    state: Mapping[str, np.ndarray],
    config: Config,
    *,
    author: Author,
    metric: float | None = None,
    keep: int | None = None,
    run: Mapping[str, Any] | None = None,
) -> Path:
    """`save_checkpoint` for whoever has a state, but no runner; `author` is recorded as what computed it."""
    directory, step = Path(directory), int(state["step"])
    wrong = find_not_finite(state)
    if wrong is not None:
        raise CheckpointError(f"{short_repr(wrong)} is not finite")
    content = safetensors.numpy.save({key: np.array(value, order="C") for key, value in state.items()})
    manifest = encode_manifest(
        {
            "format": FORMAT,
            "step": step,
            "metric": metric if metric is None or math.isfinite(metric) else None,
            "backend": author.name,
            "versions": {"alae": version("alae"), **author.versions()},
            "config": config.data(),
            "run": dict(run or {}),
            "files": {STATE: sha256(content).hexdigest()},
        }
    )
    # Killed earlier while writing: what it left is no checkpoint, and nobody else writes here.
    for leftover in directory.glob(".writing-*"):
        shutil.rmtree(leftover)
    name = f"step-{step:08d}"
    writing = directory / f".writing-{name}"
    writing.mkdir(parents=True)
    try:
        write_whole(writing / STATE, content)
        write_whole(writing / MANIFEST, manifest)
        if (directory / name).exists():
            # Only a run that went back to an earlier checkpoint comes by this step again.
            _remove(directory / name)
        writing.rename(directory / name)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    sync_directory(directory)
    if keep is not None:
        _drop_old(directory, keep)
    return directory / name


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read and verify a checkpoint.

    Args:
        path: a checkpoint, a directory of checkpoints, or a run that has a `checkpoints` directory; of several, the
            newest is read.

    Raises:
        CheckpointError: there is none, it is damaged, not finite or at odds with its configuration (the file at fault
            and the newest intact older one are named), or it follows a version of the format or specification that this
            alae does not know.
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
    """The checkpoints that lie in `directory`, oldest first; half-written ones are none."""
    # As numbers: by name, the step after 99,999,999 would be the oldest.
    return sorted((path for path in directory.glob("step-*") if _NAME.fullmatch(path.name)), key=step_of)


def step_of(path: Path) -> int:
    """The step that a checkpoint's name ends in, also one set aside; -1 where it ends in none."""
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
        where = f"{directory}{'' if directory.is_dir() else ', which is no folder'}"
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
    except AlaeError as error:
        raise CheckpointError(f"{path} cannot be read by this version of alae: {error}") from error
    return Checkpoint(
        path=path,
        config=config,
        step=manifest.step,
        backend=manifest.backend,
        versions=manifest.versions,
        metric=manifest.metric,
        run={key: written[key] for key in (RUN,) if key in written} if manifest.run is None else manifest.run,
        state=decode_state(path / STATE, content, manifest.step, config),
    )


def _is_intact(path: Path) -> bool:
    try:
        _read(path)
    except CheckpointError:
        return False
    return True


def _drop_old(directory: Path, keep: int) -> None:
    present = checkpoints(directory)
    measured = {path: metric for path in present if (metric := _metric(path)) is not None}
    best = min(measured, key=lambda path: measured[path], default=None)
    for path in present[:-keep]:
        if path != best:
            _remove(path)


def _metric(path: Path) -> float | None:
    try:
        return load_manifest(path).metric
    except CheckpointError:
        return None


def _remove(path: Path) -> None:
    # Renamed first: a kill in the middle of deleting leaves no half checkpoint under a checkpoint's name.
    going = path.with_name(f".writing-{path.name}-removed")
    path.rename(going)
    shutil.rmtree(going)
