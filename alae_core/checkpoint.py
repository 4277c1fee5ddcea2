"""Reading checkpoints, and choosing among those of a directory.

A checkpoint is a directory, `step-00001000`; `checkpoint_files.py` defines its files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alae_core._support.text import one_line
from alae_core.backend import load_backend
from alae_core.backend_lookup import default_backend
from alae_core.checkpoint_files import (
    MANIFEST,
    NAME,
    STATE,
    FirstManifest,
    checkpoints,
    decode_state,
    load_content,
    load_manifest,
    require_trained,
    step_of,
)
from alae_core.config import Config, make_config
from alae_core.config_data import RUN, migrate
from alae_core.errors import AlaeError, CheckpointError, PluginError
from alae_core.growth import count_shown, position
from alae_core.run_source import open_run
from alae_core.view import View

if TYPE_CHECKING:
    from alae_core.model import Alae


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """A checkpoint that has been read and verified.

    Attributes:
        path: its directory.
        config: the configuration of the run.
        step: training steps done.
        shown: the real images shown by them at each level; one number for networks without levels.
        backend: the backend that wrote it; every other can continue from it.
        versions: the versions of the software that wrote it.
        measure: how good the model is, lower is better; None if it was not measured.
        run: the plain data given to `save_checkpoint`.
        state: the arrays of `alae_core.state`; of an exported run only averages and running means.
    """

    path: Path
    config: Config
    step: int
    shown: tuple[int, ...]
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


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read and verify a checkpoint.

    Args:
        path: a checkpoint, a directory of checkpoints, a run directory with `checkpoints`, a .zip of `alae export`, or
            hf://OWNER/NAME for a model on the Hugging Face Hub; the newest checkpoint is read.

    Raises PluginError if its configuration needs a plug-in that is missing, changed or was never given on this machine
    (`load_plugin`). Raises CheckpointError if no checkpoint is found; if it is damaged, not finite, or does not fit its
    configuration (the message names the file, and the newest intact older checkpoint); or if its format or
    specification is of a newer version.
    """
    found = _resolve(open_run(Path(path)))
    try:
        return _read(found)
    except CheckpointError as error:
        older = [other for other in reversed(checkpoints(found.parent)) if step_of(other) < step_of(found)]
        intact = next(filter(_is_intact, older), None)
        advice = f"an older one is intact: give {intact} instead" if intact else "no older one is intact"
        raise CheckpointError(f"{error}; {advice}") from error


def _resolve(directory: Path) -> Path:
    if NAME.fullmatch(directory.name):
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
    implied = count_shown(config, manifest.step)
    shown = implied if manifest.shown is None else manifest.shown
    if len(shown) != len(implied):
        raise CheckpointError(
            f"{source} is damaged: shown is {shown}, but it must have a number for each of {len(implied)} levels"
        )
    return Checkpoint(
        path=path,
        config=config,
        step=manifest.step,
        shown=shown,
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
