"""A training run: steps, records, grids, checkpoints, stopping well, and what it came to."""

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from rich.console import Console

from alae_core import AlaeError, Backend, Checkpoint, Config, Losses, Runner, build, save_checkpoint
from alae_core.checkpoint import checkpoints
from alae_core.growth import Position, position, total_steps
from alae_workbench.data.images import DataSet
from alae_workbench.data.loader import batches
from alae_workbench.evaluation.errors import reciprocity_error, reconstruction_error
from alae_workbench.evaluation.nearest import nearest_neighbour_accuracies
from alae_workbench.figures.grid import resolution, training_grid
from alae_workbench.progress import reporter
from alae_workbench.run import Log, Run

# Enough to follow a run by, few enough that watching costs next to nothing.
_WATCHED_Z, _WATCHED_IMAGES = 256, 512


class DivergedError(AlaeError):
    """A loss or weight became NaN or infinite."""


@dataclass(frozen=True)
class Summary:
    """What a run came to. The measures are of the averaged networks, on images and z that no step trained on."""

    step: int
    losses: dict[str, float]
    reciprocity_error: float
    reconstruction_error: float
    nearest_neighbour: dict[str, float] | None
    checkpoint: Path
    grid: Path
    stopped_by: str | None  # the signal that ended the run before its last step


class Trainer:
    """One training run. `train` goes until its last step, or until Ctrl-C or SIGTERM, which save first.

    Args:
        run: where everything is written.
        config: what to train; its seed decides all that is random.
        backend: what computes the steps.
        data: images to train on and to watch with.
        console: where progress is shown.
        resume: the checkpoint to go on from, exactly as if the run had never stopped.

    Raises:
        CheckpointError: `resume` does not fit the configuration.
        AlaeError: `resume` is at the last step already.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        backend: Backend,
        data: DataSet,
        console: Console,
        resume: Checkpoint | None = None,
    ) -> None:
        self.run, self.config, self.backend, self.data, self.console = run, config, backend, data, console
        self.training = config.training
        self.runner: Runner = backend.runner(build(config, self.training.seed), config, seed=self.training.seed)
        self.step, self.steps, self._resume = 0, total_steps(config), resume
        if resume:
            self.runner.load(resume.state)
            self.step = resume.step
        if self.step >= self.steps:
            raise AlaeError(
                f"{run.path} is at step {self.step} of {self.steps} already: go on with --steps N, N above {self.step}"
            )
        # What a person is shown comes from the averaged networks; the runner's own stay untouched.
        self._shown = build(config)

    def train(self) -> Summary:
        """Run the steps that are left. Raises DivergedError where a loss or weight is no longer finite."""
        self.run.begin(self.config, self._resume)
        stopped_by = None
        with (
            _Stop() as stop,
            Log(self.run, self.step) as log,
            reporter(self.console, self.step, self.steps) as shown,
        ):
            resumed_at, clock = self._next().shown, time.monotonic()
            for batch in self._batches():
                losses = self.runner.step(batch)
                self.step += 1
                stopped_by = stop.signal
                reporting = self._due(self.training.report_every) or stopped_by
                drawing = self._grid_due() or stopped_by
                saving = self._due(self.training.checkpoint_every) or stopped_by
                if reporting or drawing or saving:
                    values = self._finite(losses)
                    speed = (self._next().shown - resumed_at) / (time.monotonic() - clock)
                    self._shown.set_weights(self.runner.weights(averaged=True))
                    if reporting:
                        level = self._level()
                        error = reciprocity_error(self._shown, _WATCHED_Z, **level)
                        record = {"losses": values, "reciprocity_error": error, "images_per_second": speed}
                        log.write(self.step, record | ({} if level["lod"] is None else level))
                        shown.report(self.step, values, error, speed, resolution(**level))
                    if drawing:
                        grid = self._save_grid()
                    if saving:
                        checkpoint, evaluation = self._save()
                        log.write(self.step, {"evaluation": evaluation})
                    # Watching is not training: the speed counts steps alone.
                    resumed_at, clock = self._next().shown, time.monotonic()
                if stopped_by:
                    shown.note(
                        f"{stopped_by.name}: saved step {self.step}; go on with: alae train --resume {self.run.path}"
                    )
                    break
        return self._summarise(values, checkpoint, grid, stopped_by)

    def _batches(self) -> Iterator[Any]:
        def put(images: np.ndarray, labels: np.ndarray | None) -> Any:
            return self.runner.put(images, labels if self.config.labels else None)

        return batches(self.data.train, self.config, start=self.step, put=put)

    def _here(self) -> Position:
        """Where the run was before the last step, if there has been one: what it trained at."""
        return position(self.config, max(self.step - 1, 0))

    def _next(self) -> Position:
        return position(self.config, self.step)

    def _level(self) -> dict[str, Any]:
        """The level of detail that the run is at, for what takes `lod` and `blend`."""
        return {"lod": self._here().stage.lod, "blend": self._here().blend}

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.steps

    def _grid_due(self) -> bool:
        before, after, every = self._here(), self._next(), self.training.grid_every
        grown = after.stage.lod != before.stage.lod
        return after.shown // every > before.shown // every or grown or self.step == self.steps

    def _finite(self, losses: Losses) -> dict[str, float]:
        values = dict(losses)
        for name, value in values.items():
            if not math.isfinite(value):
                raise self._diverged(f"the {name} loss is {value}")
        return values

    def _diverged(self, what: str) -> DivergedError:
        kept = checkpoints(self.run.checkpoints)
        last = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint had been written"
        rate = self._here().stage.adam.learning_rate
        return DivergedError(
            f"{what} at step {self.step}, so the run stopped; {last}; "
            f"try a lower adam.learning_rate (it is {rate:g}) or a higher r1_gamma"
        )

    def _save_grid(self) -> Path:
        path = self.run.grids / f"step-{self.step:08d}.png"
        where = [
            f"step {self.step:,}",
            f"{self._next().shown:,} images",
            resolution(**self._level()),
            "averaged networks",
        ]
        caption = " · ".join([self.run.path.name, *filter(None, where)])
        training_grid(self._shown, self.data.held_out, caption, **self._level()).save(path)
        return path

    def _save(self) -> tuple[Path, dict[str, float]]:
        state = self.runner.state()
        for name, array in state.items():
            if not np.isfinite(array).all():
                raise self._diverged(f"{name} is no longer finite")
        error = reconstruction_error(self._shown, self.data.held_out[:_WATCHED_IMAGES], **self._level())
        # Errors of different levels of detail say nothing about which model is better.
        comparable = self._here().stage.lod in (None, self.config.lods - 1)
        path = save_checkpoint(
            self.run.checkpoints,
            state,
            self.config,
            seed=self.training.seed,
            backend=self.backend,
            metric=error if comparable else None,
            keep=self.training.keep_checkpoints,
        )
        return path, {"reconstruction_error": error}

    def _summarise(
        self, losses: dict[str, float], checkpoint: Path, grid: Path, stopped_by: signal.Signals | None
    ) -> Summary:
        # Large models on many images take minutes here.
        self.console.print(f"measuring on {len(self.data.held_out):,} held-out images", highlight=False)
        summary = Summary(
            step=self.step,
            losses=losses,
            reciprocity_error=reciprocity_error(self._shown, **self._level()),
            reconstruction_error=reconstruction_error(self._shown, self.data.held_out, **self._level()),
            nearest_neighbour=nearest_neighbour_accuracies(self._shown, self.data, self._here().stage.lod),
            checkpoint=checkpoint,
            grid=grid,
            stopped_by=stopped_by.name if stopped_by else None,
        )
        self.run.summary.write_text(json.dumps(asdict(summary), indent=2, default=str) + "\n", "utf-8")
        return summary


class _Stop:
    """Notes Ctrl-C and SIGTERM instead of dying of them; a second one takes effect at once. A context manager."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __enter__(self) -> "_Stop":
        self._before = {}
        # Python hands signals to the main thread only; elsewhere (a notebook's worker, say) nothing is caught.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        signal.signal(number, self._before[self.signal])
