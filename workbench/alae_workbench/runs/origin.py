"""The checkpoint that a run starts from: the group `training.origin`."""

from pathlib import Path
from typing import NamedTuple

from pydantic import Field, NonNegativeInt

from alae_core import Checkpoint, CheckpointError, Config, load_checkpoint
from alae_core._support.validation import Frozen
from alae_core.checkpoint_files import STATE, load_manifest
from alae_core.lookup import find_algorithm
from alae_core.networks.layout import layout, network_shapes
from alae_core.run_source import name_source
from alae_core.transfer import Match, match_weights, require_match
from alae_workbench.models.shipped import SHIPPED, locate_model


class Origin(Frozen):
    """A checkpoint from which a run takes over weights, averages and the running mean of w."""

    path: str = Field(description="run, checkpoint, .zip of `alae export` or hf://OWNER/NAME, or `shipped`")
    step: NonNegativeInt | None = Field(default=None, description="its training steps")
    sha256: str | None = Field(
        default=None, description="SHA-256 of its state file; a checkpoint with another is refused"
    )
    partial: bool = Field(default=False, description="start from the weights that fit, and leave the others as new")

    @property
    def name(self) -> str:
        """The name of its run."""
        path = Path(self.path).absolute()
        return path.parent.parent.name if path.parent.name == "checkpoints" else path.name

    def __str__(self) -> str:
        step = "" if self.step is None else f", step {self.step:,}"
        return f"{self.name}{step}" + (f", SHA-256 {self.sha256[:12]}…" if self.sha256 else "")


class OpenedOrigin(NamedTuple):
    """The opened checkpoint that a run starts from, and its record with step and SHA-256."""

    checkpoint: Checkpoint
    record: Origin


def open_origin(origin: Origin) -> OpenedOrigin:
    """Read the checkpoint of `origin`.

    Raises CheckpointError if it cannot be read, or its SHA-256 is another than that of `origin`.
    """
    checkpoint = load_checkpoint(locate_model(Path(origin.path)))
    found = load_manifest(checkpoint.path).files[STATE]
    if origin.sha256 not in (None, found):
        raise CheckpointError(
            f"{origin.path} is not the checkpoint that training.origin records: its state has the SHA-256 "
            f"{found[:12]}…, not {str(origin.sha256)[:12]}…; give that checkpoint, or start a new run with --from"
        )
    # Not the directory of a run, which may get newer checkpoints.
    path = name_source(checkpoint.path) or str(checkpoint.path.absolute())
    if checkpoint.path.is_relative_to(SHIPPED):
        path = SHIPPED.name
    return OpenedOrigin(checkpoint, origin.model_copy(update={"path": path, "step": checkpoint.step, "sha256": found}))


def describe_start(origin: OpenedOrigin, config: Config) -> list[str]:
    """Return lines about the weights that a run of `config` starts from, and those that do not fit.

    Raises CheckpointError, listing them, if some do not fit and `Origin.partial` is not set. Networks that a plug-in
    defines are compared once they are built (`runs.train.make_trainer`).
    """
    checkpoint, record = origin
    lines = [f"starting from {record}"]
    if network_shapes(config).keys() != find_algorithm(config.algorithm, config.plugins).networks.keys():
        return lines
    shapes = {name: spec.shape for name, spec in layout(config).items()}
    match = match_weights(checkpoint.state, checkpoint.config, config, shapes)
    require_fit(origin, match)
    count = f"{len(match.taken)} weights taken over"
    fresh = f", {len(match.fresh)} of new levels start afresh" if match.fresh else ""
    misfits = f", {len(match.misfits)} do not fit:" if match.misfits else ""
    return [f"{lines[0]}: {count}{fresh}{misfits}", *(f"  {misfit}" for misfit in match.misfits)]


def require_fit(origin: OpenedOrigin, match: Match) -> None:
    """Raise CheckpointError if weights do not fit and `Origin.partial` is not set, or if none fits."""
    if not match.taken:
        raise CheckpointError(f"no weight of {origin.record.path} fits the model: start from a run of such networks")
    if not origin.record.partial:
        require_match(match, origin.record.path)
