"""The loop of a training run: steps, reports, measures, grids, checkpoints, and a summary at the end."""

import math
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path

from alae_core import Backend, Checkpoint, Losses, PeerError, StorageError, View, build
from alae_core._support.files import atomic_file
from alae_core.growth import Position, Stage, position
from alae_core.plugin_code import code_of
from alae_workbench.data.source import DataSet
from alae_workbench.data.training_data import record_data
from alae_workbench.evaluation.evaluate import take_due, take_measures
from alae_workbench.evaluation.registry import resolve_measures
from alae_workbench.evaluation.subject import Subject
from alae_workbench.figures.reconstruction_grids import draw_training_grid
from alae_workbench.runs.observers import Level, Observer, Report, Start
from alae_workbench.runs.pace import PaceMeter, name_level
from alae_workbench.runs.runner import open_runner, read_batches
from alae_workbench.runs.saving import Saver
from alae_workbench.runs.settings import Experiment
from alae_workbench.runs.stepper import Stepper
from alae_workbench.runs.stop_signal import Stop
from alae_workbench.storage.directory import Run, Summary

#: maximum fraction of a run's time that `training.measures` take
MEASURING_SHARE = 1 / 20
#: seconds of training until the first grid of a run, if `training.grid_every` images take longer
FIRST_GRID_SECONDS = 10.0
# Steps timed at the beginning of each level, after those that compile.
_TIMED_STEPS = 3


class Trainer:
    """One training run. `train` runs until the last step, or until a signal, which saves first.

    Args:
        run: its directory.
        experiment: the configuration and the settings of the training; all random numbers follow from its seed.
        backend: computes the steps.
        data: the images to train on, and held-out images for grids and measures.
        observers: receive the run's events.
        text: lines that describe the run, for the observers.
        resume: the checkpoint to continue bit for bit, or None.
        stop: lets another thread save and end the run. Without it, `train` itself stops on Ctrl-C and SIGTERM.

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
        stop: Stop | None = None,
    ) -> None:
        self.run, self.experiment, self.data, self.observers = run, experiment, data, tuple(observers)
        self.config, self.training, self.steps = experiment.config, experiment.training, experiment.steps
        self.runner = open_runner(run, experiment, backend, resume)
        self._text, self._resume = text, resume
        self._requested = resolve_measures(self.training.measures)
        self._saver = Saver(run, experiment, self.runner, record_data(data), resume)
        self._pace = PaceMeter(self.config, self.step, self.steps)
        self._stop = stop or Stop(catches_signals=True)
        self._stepper = Stepper(self.runner, self._saver, self._stop, self._send_level)
        self._grid: Path | None = None
        self._early_grid: int | None = None  # the step of the first grid, once the speed is known
        # Grids and measures use the averaged networks; the runner's own networks stay untouched.
        self._averaged = build(self.config)

    @property
    def step(self) -> int:
        """Training steps done."""
        return self.runner.step_number

    def train(self) -> Summary:
        """Take the remaining steps.

        Raises DivergedError if a loss or weight becomes NaN or infinite, and StorageError if the run's directory can no
        longer be written; PeerError if another process of the run is lost.
        """
        try:
            return self._train()
        except PeerError as error:
            raise PeerError(f"{error}; resume with: alae train --resume {self.run.path}") from error
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
            self._stop.save_by(self._save_on_signal)
            for observer in self.observers:
                stack.callback(observer.close)
                observer.on_start(Start(self.run, self.runner.model, self.step, self.steps, self._text))
            with self._stop.recording() if self._stop.catches_signals else nullcontext():
                self._take_steps()
            if self._stop.signal:
                self._send_note(f"{self._stop.signal.name}: {self._save_on_signal(self._stop.signal)}")
                summary = self._summarize({}, self._stop.signal)
            else:
                # This takes minutes for large models on many images.
                self._send_note(f"measuring on {len(self.data.held_out):,} held-out images …")
                summary = self._summarize(take_due(self._make_subject(), "end"))
                with self._stop.hold():
                    self.run.end(summary)
            for observer in self.observers:
                observer.on_finish(summary)
        return summary

    def _take_steps(self) -> None:
        """Take the remaining steps, or those until a signal was recorded."""
        first, clock = self.step, time.monotonic()
        with closing(read_batches(self.runner, self.experiment, self.data)) as source:
            for batch in source:
                self.run.require_present()
                compiled = self._stepper.step(batch)
                if self._stop.signal:
                    return
                due = self._list_due()
                new = not self._pace.is_timed(self.step - 1)
                if not (due or compiled or (new and self.step - first == _TIMED_STEPS)):
                    continue
                values = self._require_finite(self._stepper.losses)
                seconds = time.monotonic() - clock
                if compiled:
                    self._pace.add_compiling(self.step - 1, seconds)
                else:
                    self._pace.add_steps(first, self.step, seconds)
                    if new:
                        self._send_pace()
                        self._schedule_grid(seconds / (self.step - first))
                if due:
                    speed = (self._next().shown - position(self.config, first).shown) / seconds
                    self._do(due, values, speed)
                    self._pace.add_other(time.monotonic() - clock - seconds)
                first, clock = self.step, time.monotonic()

    def _list_due(self) -> set[str]:
        """Return what is due after the current step."""
        due = {
            "report": self._is_due(self.training.report_every),
            "grid": self._is_grid_due(),
            "measures": bool(self._requested) and self._is_due(self.training.measure_every),
            "checkpoint": self._saver.is_due(),
        }
        return {name for name, is_due in due.items() if is_due}

    def _do(self, due: set[str], losses: dict[str, float], speed: float) -> None:
        self._update_averaged()
        if "report" in due:
            self._report(losses, speed)
        if "grid" in due:
            self._save_grid()
        if "measures" in due and self._pace.allows_measuring(MEASURING_SHARE):
            self._measure()
        if "checkpoint" in due:
            self._save()

    def _save_on_signal(self, number: signal.Signals) -> str:
        """Save the last step and the summary, without grids and measures. Returns a sentence that says so."""
        self.run.require_present()
        self._require_finite(self._stepper.losses)
        step = self._saver.write_unsaved()
        if self._saver.newest is None:
            return "no step was taken"
        if self._stepper.losses:
            self.run.end(self._summarize({}, number))
        return f"saved step {step}; resume with: alae train --resume {self.run.path}"

    def _summarize(self, measures: dict[str, float], stopped_by: signal.Signals | None = None) -> Summary:
        return Summary(
            path=self.run.path,
            step=self._saver.step,
            losses=dict(self._stepper.losses),
            measures=measures,
            checkpoint=self._saver.newest or self.run.checkpoints,
            grid=self._grid,
            stopped_by=stopped_by.name if stopped_by else None,
            images={"held_out": len(self.data.held_out)},
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
        crossed = after.shown // every > before.shown // every
        early = self._grid is None and self.step == self._early_grid
        return crossed or grown or early or self.step == self.steps

    def _schedule_grid(self, seconds: float) -> None:
        """Choose the step of the first grid of a new run, of which a step takes `seconds`."""
        if self._grid is None and self._resume is None:
            self._early_grid = self.step + max(1, math.ceil(FIRST_GRID_SECONDS / seconds))

    def _update_averaged(self) -> None:
        self._averaged.set_weights(self.runner.weights(averaged=True))
        self._averaged.view = self._view()

    def _make_subject(self) -> Subject:
        return Subject(self._averaged, self.data, self._view())

    def _report(self, losses: dict[str, float], speed: float) -> None:
        measures, left = take_due(self._make_subject(), "report"), self._pace.seconds_left(self.step)
        report = Report(self.step, self._view(), losses, measures, speed, left)
        for observer in self.observers:
            observer.on_report(report)

    def _measure(self) -> None:
        began = time.monotonic()
        values = take_measures(self._make_subject(), self._requested).values
        self._pace.add_measuring(time.monotonic() - began)
        for observer in self.observers:
            observer.on_measures(self.step, values)

    def _send_level(self, stage: Stage) -> None:
        number, count = (1, 1) if stage.lod is None else (stage.lod + 1, self.config.lods)
        level = Level(name_level(stage), number, count)
        for observer in self.observers:
            observer.on_level(level)

    def _send_pace(self) -> None:
        pace = self._pace.estimate()
        for observer in self.observers:
            observer.on_pace(pace)

    def _send_note(self, text: str) -> None:
        for observer in self.observers:
            observer.on_note(text)

    def _require_finite(self, losses: Losses) -> dict[str, float]:
        values = dict(losses)
        for name, value in values.items():
            if not math.isfinite(value):
                raise self._saver.make_diverged_error(f"the {name} loss is {value}")
        return values

    def _save_grid(self) -> None:
        path, view = self.run.grids / f"step-{self.step:08d}.png", self._view()
        level = [str(view)] if view else []
        images = f"{self._next().shown:,} images"
        caption = " · ".join([self.run.path.name, f"step {self.step:,}", images, *level, "averaged networks"])
        with atomic_file(path) as file:
            draw_training_grid(self._averaged, self.data.held_out, caption, view).save(file, "png")
        for observer in self.observers:
            observer.on_grid(self.step, path)
        self._grid = path

    def _save(self) -> None:
        state = self.runner.state()
        self._saver.require_finite(state)
        measures = take_due(self._make_subject(), "checkpoint")
        best = self._saver.best.name
        if best not in measures:
            measures |= take_measures(self._make_subject(), [best]).values
        if "augment_p" in state:
            measures["augment_p"] = float(state["augment_p"])
        # Before the checkpoint, so that records are complete up to it even if the process is killed.
        for observer in self.observers:
            observer.on_measures(self.step, measures)
        with self._stop.hold():
            self._saver.write(state, measures)
