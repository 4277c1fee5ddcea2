"""What a training run leaves on disk, and where.

config.yaml       the whole configuration, to be read back by `alae train --config`
metrics.jsonl     one record a line: losses, reciprocity error, speed; evaluations
events.*          the same for TensorBoard
grids/            pictures, one per `training.grid_every` images
checkpoints/      what `--resume` goes on from and the other commands load
summary.json      the table printed at the end
.alae.lock        held by the process that trains here, if one does
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from alae_core import AlaeError, Checkpoint
from alae_core._support.files import read_regular, write_atomically
from alae_core.checkpoint import checkpoints, step_of
from alae_workbench.storage.lock import Lock


@dataclass(frozen=True)
class Summary:
    """What a run came to. The measures are of the averaged networks, on images and z that no step trained on.

    Attributes:
        path: the run's directory.
        step: training steps done.
        losses: the last ones, by update.
        measures: by name; see `evaluation.registry.MEASURES`.
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
        self._lock = Lock(path, f"another process is training in {path}: wait for it, or choose another --out")

    @classmethod
    def new(cls, path: Path) -> "Run":
        """A run that has yet to begin. Raises AlaeError where `path` is in use: no checkpoint is ever overwritten."""
        run = cls(path)
        run._require_unstarted()
        return run

    @classmethod
    def of(cls, path: Path) -> "Run":
        """The run that `path` is, or that its checkpoint `path` is of. Raises AlaeError where it lies outside a run."""
        # "." and the like have no parents by name.
        for given in (path, path.absolute()):
            for run in map(cls, (given, *given.parents[:2])):
                beneath = given in (run.path, run.checkpoints, run.checkpoints / given.name)
                if beneath and (run.checkpoints.is_dir() or run.config.exists()):
                    return run
        raise AlaeError(f"{path} lies in no run: a run of `alae train` has checkpoints/ and config.yaml")

    @classmethod
    def free(cls, name: str) -> "Run":
        """A run that has yet to begin, in the first of runs/NAME, runs/NAME-2, … that is not there."""
        names = (name if number == 1 else f"{name}-{number}" for number in range(1, 10_000))
        return cls(next(path for path in (Path("runs", name) for name in names) if not path.exists()))

    @property
    def unstarted(self) -> bool:
        """Whether nothing is here, or only what a run leaves that was killed before its first checkpoint."""
        if not self.path.exists():
            return True
        names = {path.name for path in self.path.iterdir()}
        ours = {path.name for path in (self._lock.path, self.config, self.metrics, self.grids, self.checkpoints)}
        strange = {name for name in names - ours if not name.startswith((".writing-", "events.out.tfevents."))}
        # The lock marks a directory as a run's: others have a config.yaml or grids/ too.
        return not names or (self._lock.path.name in names and not strange and not self._checkpoints("*step-*"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the run's directory, until this one leaves the context, or is killed.

        Raises AlaeError where another has it.
        """
        with self._lock.held(keep=self.config.exists):
            yield

    def require_place(self) -> None:
        """Raise AlaeError where the directory that is held was removed, moved or replaced."""
        if self._lock.lost:
            raise AlaeError(f"{self.path} was removed or moved while the run was writing there, so the run stopped")

    def begin(self, config: str, resume: Checkpoint | None) -> None:
        """Write the configuration (YAML text), and undo what lies beyond the checkpoint that the run continues, if any.

        Raises AlaeError where there is none, and another process has trained here since `new`.
        """
        if resume is None:
            self._require_unstarted()
        write_atomically(self.config, config.encode())
        self.grids.mkdir(exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        for killed in (*self.path.glob(".writing-*"), *self.grids.glob(".writing-*")):
            killed.unlink()
        if resume is None:
            for earlier in (self.metrics, *self.path.glob("events.out.tfevents.*"), *self.grids.glob("step-*.png")):
                earlier.unlink(missing_ok=True)
            return
        for later in checkpoints(self.checkpoints):
            # Of the same step is another where the run goes on from one that was set aside.
            if step_of(later) >= resume.step and not later.samefile(resume.path):
                self._set_aside(later)
        if self.metrics.exists():
            lines = read_regular(self.metrics).splitlines(keepends=True)
            write_atomically(self.metrics, b"".join(line for line in lines if _step_of(line) <= resume.step))

    def end(self, summary: Summary) -> None:
        """Write what the run came to."""
        write_atomically(self.summary, (json.dumps(asdict(summary), indent=2, default=str) + "\n").encode())

    def _require_unstarted(self) -> None:
        if not self.unstarted:
            is_run = self.checkpoints.is_dir() or self.config.exists()
            advice = f"go on with that run by --resume {self.path}, or choose" if is_run else "choose"
            raise AlaeError(f"{self.path} is not empty: {advice} another --out")

    def _checkpoints(self, pattern: str) -> list[Path]:
        return [path for path in self.checkpoints.glob(pattern) if not path.name.startswith(".")]

    def _set_aside(self, checkpoint: Path) -> None:
        # Gone back on purpose: kept for whoever wants it, but no longer what the run goes on from.
        words = ("abandoned" if number == 1 else f"abandoned-{number}" for number in count(1))
        names = (checkpoint.with_name(f"{word}-{checkpoint.name}") for word in words)
        checkpoint.rename(next(path for path in names if not path.exists()))


def _step_of(line: bytes) -> float:
    try:
        # A kill can tear the last line.
        return float(json.loads(line)["step"]) if line.endswith(b"\n") else float("inf")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return float("inf")
