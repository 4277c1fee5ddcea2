"""What a training run leaves on disk, and where.

config.yaml       the whole configuration, to be read back by `alae train --config`
metrics.jsonl     one record a line: losses, reciprocity error, speed; evaluations
events.*          the same for TensorBoard
grids/            pictures, one per `training.grid_every` images
checkpoints/      what `--resume` goes on from and the other commands load
summary.json      the table printed at the end
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from alae_core import AlaeError, Checkpoint, Config
from alae_core.checkpoint import checkpoints


class Run:
    """The directory of one training run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = path / "metrics.jsonl"
        self.grids = path / "grids"
        self.checkpoints = path / "checkpoints"
        self.config = path / "config.yaml"
        self.summary = path / "summary.json"

    @classmethod
    def new(cls, path: Path) -> "Run":
        """A run that has yet to begin. Raises AlaeError where `path` is in use: nothing is ever overwritten."""
        if path.is_dir() and any(path.iterdir()):
            raise AlaeError(f"{path} is not empty: go on with that run by --resume {path}, or choose another --out")
        return cls(path)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Run":
        """The run that `checkpoint` was written by. Raises AlaeError where it lies outside a run."""
        directory = checkpoint.path.absolute().parent
        if directory.name != "checkpoints":
            raise AlaeError(f"{checkpoint.path} lies in no run: a run of `alae train` keeps it in its checkpoints/")
        return cls(checkpoint.path.parent.parent)

    def begin(self, config: Config, resume: Checkpoint | None) -> None:
        """Write the configuration, and take back what lies beyond the checkpoint that the run goes on from."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.grids.mkdir(exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        self.config.write_text(config.to_yaml(), "utf-8")
        if resume is None:
            return
        for later in checkpoints(self.checkpoints):
            # Gone back on purpose: kept for whoever wants it, but no longer what the run goes on from.
            if later.name > resume.path.name:
                later.rename(later.with_name(f"abandoned-{later.name}"))
        if self.metrics.exists():
            lines = self.metrics.read_text("utf-8").splitlines()
            self.metrics.write_text("".join(f"{line}\n" for line in lines if _step_of(line) <= resume.step), "utf-8")


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):
        # A kill can tear the last line.
        return float("inf")


class Log:
    """Records of a run, to metrics.jsonl and TensorBoard; a context manager."""

    def __init__(self, run: Run, step: int) -> None:
        self._file = run.metrics.open("a", encoding="utf-8")
        # purge_step hides what an earlier process wrote beyond the checkpoint this one goes on from.
        self._events = SummaryWriter(str(run.path), purge_step=step + 1 if step else None)

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._events.close()

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Record nested numbers as of `step`."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in _flat(values):
            self._events.add_scalar(name, value, step)
        self._events.flush()


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    pairs: list[tuple[str, float]] = []
    for name, value in values.items():
        pairs += _flat(value, f"{prefix}{name}/") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return pairs
