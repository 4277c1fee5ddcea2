"""The loop of a training run: steps, reports, measures, grids, checkpoints, and a summary at the end."""

import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from alae_core import (
    ArgumentError,
    Backend,
    Checkpoint,
    DivergedError,
    Losses,
    Runner,
    StorageError,
    View,
    build,
)
from alae_core._support.files import atomic_file
from alae_core.checkpoint_files import checkpoints, find_not_finite
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.config_data import RUN
from alae_core.growth import Position, position
from alae_core.plugin_code import code_of
from alae_workbench.data.batches import batches
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.evaluate import take_due, take_measures
from alae_workbench.evaluation.registry import Measure, resolve_measures
from alae_workbench.evaluation.subject import Subject
from alae_workbench.figures.reconstruction_grids import draw_training_grid
from alae_workbench.runs.observers import Observer, Report, Start
from alae_workbench.runs.pace import measure_pace
from alae_workbench.runs.settings import Experiment, resolve_best
from alae_workbench.runs.stop_signal import StopSignal
from alae_workbench.storage.directory import Run, Summary

#: maximum fraction of a run's time that `training.measures` take
MEASURING_SHARE = 1 / 20


class Trainer:
    """One training run. `train` runs until the last step, or until Ctrl-C or SIGTERM, which save first.

    Args:
        run: its directory.
        experiment: the configuration and the settings of the training; all random numbers follow from its seed.
        backend: computes the steps.
        data: the images to train on, and held-out images for grids and measures.
        observers: receive the run's events.
        text: lines that describe the run, for the observers.
        resume: the checkpoint to continue bit for bit, or None.

    Raises:
        CheckpointError: `resume` does not fit the configuration.
        ArgumentError: `resume` is at the last step already.
        AlaeError: `training` names an unknown measure.
    """

    def __init__(
        self,
        run: Run,
        experiment: Experiment,
        backend: Backend,
        data: DataSet,
        observers: Sequence[Observer] = (),
        *,
        text: str = "",
        resume: Checkpoint | None = None,
    ) -> None:
        self.run, self.experiment, self.data, self.observers = run, experiment, data, tuple(observers)
        self.config, self.training, self.steps = experiment.config, experiment.training, experiment.steps
        self.runner: Runner = backend.runner(build(self.config))
        self._text, self._resume = text, resume
        if resume:
            self.runner.load(resume.state)
        if self.step >= self.steps:
            raise ArgumentError(
                "steps",
                f"is {self.steps}, but {run.path} is already at step {self.step}: choose more steps to resume it",
            )
        self._requested = resolve_measures(self.training.measures)
        self._best = resolve_best(self.training.best)
        self._time = _TimeSpent()
        # Grids and measures use the averaged networks; the runner's own networks stay untouched.
        self._averaged = build(self.config)

    @property
    def step(self) -> int:
        """Training steps done."""
        return self.runner.step_number

    def train(self) -> Summary:
        """Take the remaining steps.

        Raises DivergedError if a loss or weight becomes NaN or infinite, and StorageError if the run's directory can no
        longer be written.
        """
        try:
            return self._train()
        except OSError as error:
            self.run.require_present()
            place = error.filename or self.run.checkpoints
            raise StorageError(
                f"{place}: {error.strerror or error}; the run stopped at step {self.step}, and its checkpoints are "
                f"intact; once this is solved, resume with: alae train --resume {self.run.path}"
            ) from error

    def _train(self) -> Summary:
        self.run.begin(self.experiment.to_yaml(), self._resume)
        self.run.keep_plugins({plugin.file: code_of(plugin) for plugin in self.config.plugins if plugin.file})
        with ExitStack() as stack:
            for observer in self.observers:
                stack.callback(observer.close)
                observer.on_start(Start(self.run, self.runner.model, self.step, self.steps, self._text))
            pace = measure_pace(self.runner, self.config, self._read_batches, start=self.step, end=self.steps)
            for observer in self.observers:
                observer.on_pace(pace)
            losses, grid, checkpoint, stopped_by = self._take_steps()
            # This takes minutes for large models on many images.
            self._send_note(f"measuring on {len(self.data.held_out):,} held-out images …")
            summary = Summary(
                path=self.run.path,
                step=self.step,
                losses=losses,
                measures=take_due(self._make_subject(), "end"),
                checkpoint=checkpoint,
                grid=grid,
                stopped_by=stopped_by.name if stopped_by else None,
                images={"held_out": len(self.data.held_out)},
            )
            self.run.end(summary)
            for observer in self.observers:
                observer.on_finish(summary)
        return summary

    def _take_steps(self) -> tuple[dict[str, float], Path, Path, signal.Signals | None]:
        """Take the steps. Returns the last losses, grid and checkpoint, and the signal that stopped the run, if any."""
        with StopSignal() as stop:
            shown, clock, losses = self._next().shown, time.monotonic(), Losses({})
            for batch in self._read_batches(self.step, self.steps):
                self.run.require_present()
                # An update that is done at every k-th step keeps its last loss.
                losses |= self.runner.step(batch)
                stopped_by = stop.signal
                reporting = self._is_due(self.training.report_every) or stopped_by
                drawing = self._is_grid_due() or stopped_by
                saving = self._is_due(self.training.checkpoint_every) or stopped_by
                measuring = self._requested and self._is_due(self.training.measure_every) and not stopped_by
                if reporting or drawing or saving or measuring:
                    values = self._require_finite(losses)
                    seconds = time.monotonic() - clock
                    self._time.training += seconds
                    self._update_averaged()
                    if reporting:
                        self._report(values, (self._next().shown - shown) / seconds)
                    if drawing:
                        grid = self._save_grid()
                    if measuring and self._time.allows_measuring(MEASURING_SHARE):
                        self._measure()
                    if saving:
                        checkpoint = self._save()
                    # The speed does not count reports, grids, measures and checkpoints.
                    shown, clock = self._next().shown, time.monotonic()
                if stopped_by:
                    self._send_note(
                        f"{stopped_by.name}: saved step {self.step}; resume with: alae train --resume {self.run.path}"
                    )
                    break
        return values, grid, checkpoint, stopped_by

    def _read_batches(self, start: int, end: int) -> Iterator[Any]:
        return batches(
            self.data.train,
            self.config,
            steps=end,
            start=start,
            mirror=self.training.mirror,
            put=self.runner.put,
        )

    def _last(self) -> Position:
        """The position of the last step taken, or of the first one."""
        return position(self.config, max(self.step - 1, 0))

    def _next(self) -> Position:
        return position(self.config, self.step)

    def _view(self) -> View | None:
        return self._last().view

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.steps

    def _is_grid_due(self) -> bool:
        before, after, every = self._last(), self._next(), self.training.grid_every
        grown = after.stage.lod != before.stage.lod
        return after.shown // every > before.shown // every or grown or self.step == self.steps

    def _update_averaged(self) -> None:
        self._averaged.set_weights(self.runner.weights(averaged=True))
        self._averaged.view = self._view()

    def _make_subject(self) -> Subject:
        return Subject(self._averaged, self.data, self._view())

    def _report(self, losses: dict[str, float], speed: float) -> None:
        report = Report(self.step, self._view(), losses, take_due(self._make_subject(), "report"), speed)
        for observer in self.observers:
            observer.on_report(report)

    def _measure(self) -> None:
        began = time.monotonic()
        values = take_measures(self._make_subject(), self._requested).values
        self._time.add_measuring(time.monotonic() - began)
        for observer in self.observers:
            observer.on_measures(self.step, values)

    def _send_note(self, text: str) -> None:
        for observer in self.observers:
            observer.on_note(text)

    def _require_finite(self, losses: Losses) -> dict[str, float]:
        values = dict(losses)
        for name, value in values.items():
            if not math.isfinite(value):
                raise self._make_diverged_error(f"the {name} loss is {value}")
        return values

    def _make_diverged_error(self, problem: str) -> DivergedError:
        saved = checkpoints(self.run.checkpoints)
        last = f"the last good checkpoint is {saved[-1]}" if saved else "no checkpoint had been written"
        rate = self._last().stage.adam.learning_rate
        return DivergedError(
            f"{problem} at step {self.step}, so the run stopped; {last}; "
            f"try a lower adam.learning_rate (it is {rate:g}) or a higher r1_gamma"
        )

    def _save_grid(self) -> Path:
        path, view = self.run.grids / f"step-{self.step:08d}.png", self._view()
        level = [str(view)] if view else []
        images = f"{self._next().shown:,} images"
        caption = " · ".join([self.run.path.name, f"step {self.step:,}", images, *level, "averaged networks"])
        with atomic_file(path) as file:
            draw_training_grid(self._averaged, self.data.held_out, caption, view).save(file, "png")
        for observer in self.observers:
            observer.on_grid(self.step, path)
        return path

    def _save(self) -> Path:
        state = self.runner.state()
        diverged = find_not_finite(state)
        if diverged is not None:
            raise self._make_diverged_error(f"{diverged} is no longer finite")
        measures = take_due(self._make_subject(), "checkpoint")
        if self._best.name not in measures:
            measures |= take_measures(self._make_subject(), [self._best.name]).values
        if "augment_p" in state:
            measures["augment_p"] = float(state["augment_p"])
        # Before the checkpoint, so that records are complete up to it even if the process is killed.
        for observer in self.observers:
            observer.on_measures(self.step, measures)
        # Measures at different levels of detail cannot be compared.
        comparable = self._last().stage.lod in (None, self.config.lods - 1)
        return write_checkpoint(
            self.run.checkpoints,
            state,
            self.config,
            author=self.runner.backend,
            measure=_make_lower_better(self._best, measures.get(self._best.name)) if comparable else None,
            keep=self.training.keep_checkpoints,
            run={RUN: self.training.model_dump(mode="json"), "data": self.data.fingerprint},
        )


def _make_lower_better(measure: Measure, value: float | None) -> float | None:
    """Convert a measure's value to the one recorded in a checkpoint, where lower is better."""
    return -value if value is not None and measure.better == "higher" else value


class _TimeSpent:
    """Seconds spent on steps, and on the measures of `training.measures`."""

    def __init__(self) -> None:
        self.training = self._measuring = self._last = 0.0

    def add_measuring(self, seconds: float) -> None:
        self._last, self._measuring = seconds, self._measuring + seconds

    def allows_measuring(self, share: float) -> bool:
        """Whether measuring once more, as long as the last time, stays within a share of all time."""
        measuring = self._measuring + self._last
        return measuring <= share * (self.training + measuring)
