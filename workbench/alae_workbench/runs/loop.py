"""The loop of a training run: steps, reports, grids, checkpoints, stopping well, and what it came to."""

import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from alae_core import AlaeError, Backend, Checkpoint, Losses, Runner, View, build
from alae_core._support.files import atomic_file
from alae_core.checkpoint import checkpoints, write_checkpoint
from alae_core.checkpoint_files import find_not_finite
from alae_core.config import RUN
from alae_core.growth import Position, position
from alae_workbench.data.batches import batches
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.evaluate import take_due, take_measures
from alae_workbench.evaluation.registry import MEASURES, Measure, resolve_measures
from alae_workbench.evaluation.subject import Subject
from alae_workbench.figures.reconstruction_grids import draw_training_grid
from alae_workbench.runs.observers import Observer, Report, Start
from alae_workbench.runs.pace import measure_pace
from alae_workbench.runs.settings import Experiment
from alae_workbench.runs.stop_signal import StopSignal
from alae_workbench.storage.directory import Run, Summary

#: the share of a run's time that the measures of `training.measures` may take
SHARE = 1 / 20


class DivergedError(AlaeError):
    """A loss or weight became NaN or infinite."""


class Trainer:
    """One training run. `train` goes until its last step, or until Ctrl-C or SIGTERM, which save first.

    Args:
        run: where everything is written.
        experiment: what to train, and how; the configuration's seed decides all that is random.
        backend: what computes the steps.
        data: images to train on and to watch with.
        observers: who is told how it goes.
        text: what is trained on what, in a line for them.
        resume: the checkpoint to go on from, exactly as if the run had never stopped.

    Raises:
        CheckpointError: `resume` does not fit the configuration.
        AlaeError: `resume` is at the last step already, or `training` names measures that there are none of.
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
            raise AlaeError(
                f"{run.path} is at step {self.step} of {self.steps} already: to go on, give it more steps than that"
            )
        self._asked = resolve_measures(self.training.measures)
        self._best = MEASURES[resolve_measures([self.training.best])[0]]
        if not self._best.better or self._best.name != self.training.best:
            good = ", ".join(each.name for each in MEASURES.values() if each.better)
            raise AlaeError(f"training.best is {self.training.best}, by which nothing is better; there are: {good}")
        self._spent = _Spent()
        # What a person is shown comes from the averaged networks; the runner's own stay untouched.
        self._shown = build(self.config)

    @property
    def step(self) -> int:
        """Training steps done."""
        return self.runner.step_number

    def train(self) -> Summary:
        """Run the steps that are left.

        Raises DivergedError where a loss or weight is no longer finite, and AlaeError where the run's directory cannot
        be written any more.
        """
        try:
            return self._train()
        except OSError as error:
            self.run.require_present()
            where = error.filename or self.run.checkpoints
            raise AlaeError(
                f"{where}: {error.strerror or error}; the run stopped at step {self.step}, and what it has saved is "
                f"whole; when that is mended, go on with: alae train --resume {self.run.path}"
            ) from error

    def _train(self) -> Summary:
        self.run.begin(self.experiment.to_yaml(), self._resume)
        with ExitStack() as stack:
            for observer in self.observers:
                stack.callback(observer.close)
                observer.on_start(Start(self.run, self.runner.model, self.step, self.steps, self._text))
            pace = measure_pace(self.runner, self.config, self._batches, start=self.step, end=self.steps)
            for observer in self.observers:
                observer.on_pace(pace)
            losses, grid, checkpoint, stopped_by = self._steps()
            # Large models on many images take minutes here.
            self._note(f"measuring on {len(self.data.held_out):,} held-out images")
            summary = Summary(
                path=self.run.path,
                step=self.step,
                losses=losses,
                measures=take_due(self._subject(), "end"),
                checkpoint=checkpoint,
                grid=grid,
                stopped_by=stopped_by.name if stopped_by else None,
            )
            self.run.end(summary)
            for observer in self.observers:
                observer.on_finish(summary)
        return summary

    def _steps(self) -> tuple[dict[str, float], Path, Path, signal.Signals | None]:
        """Take the steps; the last losses, the last grid and checkpoint, and the signal that ended them early."""
        with StopSignal() as stop:
            shown, clock = self._next().shown, time.monotonic()
            for batch in self._batches(self.step, self.steps):
                self.run.require_present()
                losses = self.runner.step(batch)
                stopped_by = stop.signal
                reporting = self._due(self.training.report_every) or stopped_by
                drawing = self._grid_due() or stopped_by
                saving = self._due(self.training.checkpoint_every) or stopped_by
                measuring = self._asked and self._due(self.training.measure_every) and not stopped_by
                if reporting or drawing or saving or measuring:
                    values = self._finite(losses)
                    speed = (self._next().shown - shown) / (time.monotonic() - clock)
                    self._spent.training += time.monotonic() - clock
                    self._show()
                    if reporting:
                        self._report(values, speed)
                    if drawing:
                        grid = self._save_grid()
                    if measuring and self._spent.allows(SHARE):
                        self._measure()
                    if saving:
                        checkpoint = self._save()
                    # Watching is not training: the speed counts steps alone.
                    shown, clock = self._next().shown, time.monotonic()
                if stopped_by:
                    self._note(
                        f"{stopped_by.name}: saved step {self.step}; go on with: alae train --resume {self.run.path}"
                    )
                    break
        return values, grid, checkpoint, stopped_by

    def _batches(self, start: int, end: int) -> Iterator[Any]:
        return batches(
            self.data.train,
            self.config,
            steps=end,
            start=start,
            mirror=self.training.mirror,
            put=self.runner.put,
        )

    def _here(self) -> Position:
        """Where the run was before the last step, if there has been one: what it trained at."""
        return position(self.config, max(self.step - 1, 0))

    def _next(self) -> Position:
        return position(self.config, self.step)

    def _view(self) -> View | None:
        return self._here().view

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.steps

    def _grid_due(self) -> bool:
        before, after, every = self._here(), self._next(), self.training.grid_every
        grown = after.stage.lod != before.stage.lod
        return after.shown // every > before.shown // every or grown or self.step == self.steps

    def _show(self) -> None:
        self._shown.set_weights(self.runner.weights(averaged=True))
        self._shown.view = self._view()

    def _subject(self) -> Subject:
        return Subject(self._shown, self.data, self._view())

    def _report(self, losses: dict[str, float], speed: float) -> None:
        measures = take_due(self._subject(), "report")
        for observer in self.observers:
            observer.on_report(Report(self.step, self._view(), losses, measures, speed))

    def _measure(self) -> None:
        began = time.monotonic()
        found = take_measures(self._subject(), self._asked).values
        self._spent.measured(time.monotonic() - began)
        for observer in self.observers:
            observer.on_measures(self.step, found)

    def _note(self, text: str) -> None:
        for observer in self.observers:
            observer.on_note(text)

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
        path, view = self.run.grids / f"step-{self.step:08d}.png", self._view()
        where = [f"step {self.step:,}", f"{self._next().shown:,} images", *([str(view)] if view else [])]
        caption = " · ".join([self.run.path.name, *where, "averaged networks"])
        with atomic_file(path) as file:
            draw_training_grid(self._shown, self.data.held_out, caption, view).save(file, "png")
        for observer in self.observers:
            observer.on_grid(self.step, path)
        return path

    def _save(self) -> Path:
        state = self.runner.state()
        wrong = find_not_finite(state)
        if wrong is not None:
            raise self._diverged(f"{wrong} is no longer finite")
        measures = take_due(self._subject(), "checkpoint")
        if self._best.name not in measures:
            measures |= take_measures(self._subject(), [self._best.name]).values
        if "augment_p" in state:
            measures["augment_p"] = float(state["augment_p"])
        # First, for what a kill leaves beside a checkpoint is complete up to it.
        for observer in self.observers:
            observer.on_measures(self.step, measures)
        # Errors of different levels of detail say nothing about which model is better.
        comparable = self._here().stage.lod in (None, self.config.lods - 1)
        return write_checkpoint(
            self.run.checkpoints,
            state,
            self.config,
            author=self.runner.backend,
            measure=_lower(self._best, measures.get(self._best.name)) if comparable else None,
            keep=self.training.keep_checkpoints,
            run={RUN: self.training.model_dump(mode="json"), "data": self.data.fingerprint},
        )


def _lower(measure: Measure, value: float | None) -> float | None:
    """A measure's value as a checkpoint has it, where lower is better."""
    return -value if value is not None and measure.better == "higher" else value


class _Spent:
    """Seconds of steps, and of the measures that a run is asked for."""

    def __init__(self) -> None:
        self.training = self.measuring = self._last = 0.0

    def measured(self, seconds: float) -> None:
        self._last, self.measuring = seconds, self.measuring + seconds

    def allows(self, share: float) -> bool:
        """Whether once more, as long as the last time, stays within a share of all."""
        measuring = self.measuring + self._last
        return measuring <= share * (self.training + measuring)
