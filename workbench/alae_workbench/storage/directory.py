"""The directory of a training run.

config.yaml       the whole configuration, for `alae train --config`
metrics.jsonl     one record per line: step, time, images shown and level of detail; losses and speed, or measures
events.*          the same for TensorBoard
grids/            figures, one per `training.grid_every` images
checkpoints/      the checkpoints that `--resume` continues from and other commands load
plugins/          copies of plug-ins' files that the run uses, to give to `--plugin` on another machine
summary.json      the table printed at the end
tracker/          what `--log wandb` or `--log trackio` needs to continue its records
.alae.lock        locked by the process that trains here
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from alae_core import AlaeError, Checkpoint, Config, StorageError
from alae_core._support.files import read_regular, write_atomically
from alae_core._support.html import MOST_BYTES, make_picture, make_table
from alae_core._support.json_lines import format_time
from alae_core._support.quiet import is_writable
from alae_core.checkpoint_files import checkpoints, step_of
from alae_core.checkpoint_writing import copy_checkpoint
from alae_core.growth import position
from alae_core.run_source import name_source, open_run
from alae_workbench.storage.lock import Lock

_MAX_BYTES, _MAX_SUMMARY_BYTES = 2**30, 2**20  # of metrics.jsonl and of summary.json
# A new file system is not empty: its root has this folder.
_NOT_FILES = {"lost+found"}


@dataclass(frozen=True)
class Summary:
    """The result of a run. Measures are those of the averaged networks, on images and z that no step trained on.

    Attributes:
        path: the run's directory.
        step: number of training steps done.
        losses: the last losses, by update.
        measures: the last measures, by name; see `evaluation.registry.MEASURES`.
        checkpoint: the last checkpoint, for `alae_core.load`.
        grid: the last figure; None if a signal stopped the run before the first.
        stopped_by: the signal that ended the run before its last step, or None.
        images: the number of held-out images that were measured, as "held_out".
    """

    path: Path
    step: int
    losses: Mapping[str, float]
    measures: Mapping[str, float]
    checkpoint: Path
    grid: Path | None
    stopped_by: str | None = None
    images: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value:.4f}" for name, value in {**self.losses, **self.measures}.items())
        return f"<run {self.path}, step {self.step:,}: {numbers}>"

    def rows(self) -> list[dict[str, Any]]:
        """Return the losses and measures as a list of flat dictionaries, such as for `pandas.DataFrame`."""
        kinds = {"loss": self.losses, "measure": self.measures}
        return [
            {"run": str(self.path), "step": self.step, "kind": kind, "name": name, "value": value}
            for kind, values in kinds.items()
            for name, value in values.items()
        ]

    def _repr_html_(self) -> str:
        stopped = f", stopped by {self.stopped_by}" if self.stopped_by else ""
        rows = [{key: row[key] for key in ("kind", "name", "value")} for row in self.rows()]
        table = make_table(rows, f"{self.path}, step {self.step:,}{stopped}")
        if self.grid is None:
            return table
        try:
            return table + make_picture(read_regular(self.grid, MOST_BYTES))
        except OSError:  # it was moved, or is too large for a notebook
            return table


class Run:
    """The directory of one training run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = path / "metrics.jsonl"
        self.grids = path / "grids"
        self.checkpoints = path / "checkpoints"
        self.plugins = path / "plugins"
        self.tracker = path / "tracker"
        self.config = path / "config.yaml"
        self.summary = path / "summary.json"
        self._lock = Lock(path, f"another process is training in {path}: wait for it, or choose another --out")
        self._begun = False

    @classmethod
    def new(cls, path: Path) -> "Run":
        """Return the run of a new directory. Raises AlaeError if `path` is in use; nothing is overwritten."""
        run = cls(path)
        run._require_no_file()
        run._require_unstarted()
        return run

    @classmethod
    def find_started(cls, path: Path) -> "Run | None":
        """Return the run at `path` that has a checkpoint; None if a new run can start there.

        Raises AlaeError if `path` is in use, but is not a run.
        """
        run = cls(path)
        run._require_no_file()
        if run.unstarted:
            return None
        if not run._list_checkpoints("*step-*"):
            run._require_unstarted()
        return run

    @classmethod
    def find(cls, path: Path) -> "Run":
        """Return the run at `path`: a run directory, a checkpoint in one, a .zip of `alae export`, or hf://OWNER/NAME.

        Raises AlaeError for any other path.
        """
        path = open_run(path)
        # "." and ".." have no named parents.
        for given in (path, path.absolute()):
            for run in map(cls, (given, *given.parents[:2])):
                inside = given in (run.path, run.checkpoints, run.checkpoints / given.name)
                if inside and (run.checkpoints.is_dir() or run.config.exists()):
                    return run
        raise AlaeError(f"{path} is not inside a run directory: a run of `alae train` has checkpoints/ and config.yaml")

    @classmethod
    def choose(cls, name: str) -> "Run":
        """Return the run of a new directory: the first of runs/NAME, runs/NAME-2, … that does not exist."""
        names = (name if number == 1 else f"{name}-{number}" for number in range(1, 10_000))
        return cls(next(path for path in (Path("runs", name) for name in names) if not path.exists()))

    @property
    def unstarted(self) -> bool:
        """Whether the directory is absent, empty, or left by a run that was killed before its first checkpoint."""
        if not self.path.exists():
            return True
        names = {path.name for path in self.path.iterdir()} - _NOT_FILES
        files = (self._lock.path, self.config, self.metrics)
        folders = (self.grids, self.checkpoints, self.plugins, self.tracker)
        own = {path.name for path in (*files, *folders)}
        foreign = {name for name in names - own if not name.startswith((".writing-", "events.out.tfevents."))}
        # Only the lock shows that it is a run's directory: others may have a config.yaml or grids/ too.
        return not names or (self._lock.path.name in names and not foreign and not self._list_checkpoints("*step-*"))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from training in the directory until the context ends or this process dies.

        Raises StorageError if another process has the lock.
        """
        with self._lock.acquire(keep=lambda: self._begun):
            yield

    def require_present(self) -> None:
        """Raise StorageError if the locked directory was removed, moved or replaced."""
        if self._lock.is_lost:
            raise StorageError(f"{self.path} was removed or moved while the run was writing there, so the run stopped")

    def require_folder(self, content: str) -> None:
        """Raise AlaeError if `content` cannot be saved in the run: it came from a .zip or the Hub, or is read-only."""
        if source := name_source(self.path):
            raise AlaeError(f"{content} cannot be saved in {source}: find them in the run, and export it again")
        if not is_writable(self.path):
            raise AlaeError(f"{self.path} cannot be written to: choose another folder for the {content} with --out")

    def begin(self, config: str, resume: Checkpoint | None) -> None:
        """Write the configuration, and remove or set aside everything after the checkpoint to resume from.

        A checkpoint of another directory is copied, with the records of its run up to it.

        Args:
            config: the configuration as YAML.
            resume: the checkpoint, or None for a new run.

        Raises AlaeError if the run is new or begins with a copy, and another process has trained here since `new`.
        """
        copies = resume is not None and resume.path.parent.resolve() != self.checkpoints.resolve()
        if resume is None or copies:
            self._require_unstarted()
        self._begun = True
        self.grids.mkdir(exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        if resume and copies:
            # Before the configuration, with which a directory without a checkpoint would start over.
            self._copy(resume)
        write_atomically(self.config, config.encode())
        for incomplete in (*self.path.glob(".writing-*"), *self.grids.glob(".writing-*")):
            incomplete.unlink()
        if resume is None:
            for earlier in (self.metrics, *self.path.glob("events.out.tfevents.*"), *self.grids.glob("step-*.png")):
                earlier.unlink(missing_ok=True)
            return
        for later in () if copies else checkpoints(self.checkpoints):
            # A checkpoint that was set aside may have the same step as another.
            if step_of(later) >= resume.step and not later.samefile(resume.path):
                self._set_aside(later)
        if self.metrics.exists():
            lines = read_regular(self.metrics).splitlines(keepends=True)
            write_atomically(self.metrics, b"".join(line for line in lines if _parse_step(line) <= resume.step))

    def _copy(self, checkpoint: Checkpoint) -> None:
        """Copy a checkpoint of another directory, after the records of its run up to it."""
        records = checkpoint.path.parent.parent / self.metrics.name
        if records.is_file():
            write_atomically(self.metrics, read_regular(records))
        copy_checkpoint(checkpoint.path, self.checkpoints)

    def keep_plugins(self, files: Mapping[str, bytes]) -> None:
        """Write copies of the files of plug-ins, by name."""
        for name, content in files.items():
            self.plugins.mkdir(exist_ok=True)
            write_atomically(self.plugins / name, content)

    def end(self, summary: Summary) -> None:
        """Write summary.json."""
        write_atomically(self.summary, (json.dumps(asdict(summary), indent=2, default=str) + "\n").encode())

    def read_summary(self) -> Summary | None:
        """Read summary.json; None if there is none. Raises AlaeError if it is damaged."""
        if not self.summary.exists():
            return None
        try:
            data = json.loads(read_regular(self.summary, _MAX_SUMMARY_BYTES))
            # The directory may have been moved since.
            checkpoint = self.checkpoints / Path(data["checkpoint"]).name
            grid = data["grid"] and self.grids / Path(data["grid"]).name
            return Summary(**{**data, "path": self.path, "checkpoint": checkpoint, "grid": grid})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise AlaeError(f"{self.summary} is damaged: {error}") from error

    def read_records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the step and the other content of each record in metrics.jsonl; nothing if there is no such file."""
        for line in read_regular(self.metrics, _MAX_BYTES).splitlines() if self.metrics.exists() else ():
            try:
                record = json.loads(line)
                yield int(record.pop("step")), record
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue  # the last line of a killed run may be incomplete

    def _require_no_file(self) -> None:
        file = next((path for path in (self.path, *self.path.parents) if path.exists() and not path.is_dir()), None)
        if file:
            raise AlaeError(f"{file} is a file, so no run can be written to {self.path}: choose another --out")

    def _require_unstarted(self) -> None:
        if not self.unstarted:
            if self._list_checkpoints("*step-*"):
                advice = f"continue that run with --resume {self.path}, or choose another --out"
            else:
                advice = "it has other files than those of a run; choose another --out"
            raise AlaeError(f"{self.path} is not empty: {advice}")

    def _list_checkpoints(self, pattern: str) -> list[Path]:
        return [path for path in self.checkpoints.glob(pattern) if not path.name.startswith(".")]

    def _set_aside(self, checkpoint: Path) -> None:
        # The user resumed from an earlier checkpoint on purpose; later ones are kept, but never resumed by default.
        words = ("abandoned" if number == 1 else f"abandoned-{number}" for number in count(1))
        names = (checkpoint.with_name(f"{word}-{checkpoint.name}") for word in words)
        checkpoint.rename(next(path for path in names if not path.exists()))


def make_record(config: Config, step: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` after `step` steps as a record, with the time, the images shown so far, and the level."""
    view = position(config, max(step - 1, 0)).view
    level = {} if view is None else {"lod": view.lod, "blend": view.blend}
    return {"step": step, "time": format_time(), "images": position(config, step).shown, **level, **values}


def _parse_step(line: bytes) -> float:
    """Return the step of a record; infinity for a record that a crash truncated."""
    try:
        return float(json.loads(line)["step"]) if line.endswith(b"\n") else float("inf")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return float("inf")
