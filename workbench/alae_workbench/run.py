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
from dataclasses import asdict, dataclass
from pathlib import Path

from alae_core import AlaeError, Checkpoint
from alae_core.checkpoint import checkpoints
from alae_workbench.experiment import Experiment


@dataclass(frozen=True)
class Summary:
    """What a run came to. The measures are of the averaged networks, on images and z that no step trained on.

    Attributes:
        path: the run's directory.
        step: training steps done.
        losses: the last ones, by update.
        measures: by name; `evaluation.measures.MEASURES` says what each is.
        checkpoint: the last one, for `alae_core.load`.
        grid: the last picture.
        stopped_by: the signal that ended the run before its last step.
    """

    path: Path
    step: int
    losses: Mapping[str, float]
    measures: Mapping[str, float]
    checkpoint: Path
    grid: Path
    stopped_by: str | None = None

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value:.4f}" for name, value in {**self.losses, **self.measures}.items())
        return f"<run {self.path}, step {self.step:,}: {numbers}>"


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

    @classmethod
    def free(cls, name: str) -> "Run":
        """A run that has yet to begin, in the first of runs/NAME, runs/NAME-2, … that is not there."""
        names = (name if number == 1 else f"{name}-{number}" for number in range(1, 10_000))
        return cls(next(path for path in (Path("runs", name) for name in names) if not path.exists()))

    def begin(self, experiment: Experiment, resume: Checkpoint | None) -> None:
        """Write the configuration, and take back what lies beyond the checkpoint that the run goes on from."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.grids.mkdir(exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        self.config.write_text(experiment.to_yaml(), "utf-8")
        if resume is None:
            return
        for later in checkpoints(self.checkpoints):
            # Gone back on purpose: kept for whoever wants it, but no longer what the run goes on from.
            if later.name > resume.path.name:
                later.rename(later.with_name(f"abandoned-{later.name}"))
        if self.metrics.exists():
            lines = self.metrics.read_text("utf-8").splitlines()
            self.metrics.write_text("".join(f"{line}\n" for line in lines if _step_of(line) <= resume.step), "utf-8")

    def end(self, summary: Summary) -> None:
        """Write what the run came to."""
        self.summary.write_text(json.dumps(asdict(summary), indent=2, default=str) + "\n", "utf-8")


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):
        # A kill can tear the last line.
        return float("inf")
