"""Checkpoints of a run: at regular steps and times, and when a signal stops it."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from alae_core import Checkpoint, DivergedError, Runner
from alae_core.checkpoint_files import checkpoints, find_not_finite
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.config_data import RUN
from alae_core.growth import position
from alae_workbench.evaluation.registry import Measure
from alae_workbench.runs.settings import Experiment, resolve_best
from alae_workbench.storage.directory import Run

State = Mapping[str, np.ndarray]


class Saver:
    """Writes the checkpoints of a run.

    Args:
        run: its directory.
        experiment: its configuration and settings.
        runner: takes its steps.
        data_record: what each checkpoint records of the images (`training_data.record_data`).
        resume: the checkpoint that it continues, or None.

    Attributes:
        best: the measure that selects the best checkpoint.
        newest: the newest checkpoint; None before the first.
        step: training steps done when it was written.

    Raises AlaeError if `training.best` is unknown or cannot be ranked.
    """

    def __init__(
        self,
        run: Run,
        experiment: Experiment,
        runner: Runner,
        data_record: Mapping[str, str | int],
        resume: Checkpoint | None,
    ) -> None:
        self.best = resolve_best(experiment.training.best)
        self.newest: Path | None = resume.path if resume else None
        self._run, self._experiment, self._runner, self._data_record = run, experiment, runner, data_record
        self.step, self._saved_at = runner.step_number, time.monotonic()
        self._find_unsaved: Callable[[], State | None] = self._read_unsaved

    def is_due(self) -> bool:
        """Whether the settings ask for a checkpoint after the current step."""
        step, training = self._runner.step_number, self._experiment.training
        late = time.monotonic() - self._saved_at >= 60 * training.checkpoint_minutes
        return step % training.checkpoint_every == 0 or step == self._experiment.steps or late

    def write(self, state: State, measures: Mapping[str, float] | None = None) -> None:
        """Write a checkpoint.

        Args:
            state: the state after a step, from `Runner.state`.
            measures: measures of the model by name; without the one that selects the best checkpoint, this checkpoint
                is never the best.
        """
        experiment, step = self._experiment, int(state["step"])
        value = (measures or {}).get(self.best.name)
        # Measures at different levels of detail cannot be compared.
        comparable = position(experiment.config, step - 1).stage.lod in (None, experiment.config.lods - 1)
        self.newest = write_checkpoint(
            self._run.checkpoints,
            state,
            experiment.config,
            author=self._runner.backend,
            measure=_make_lower_better(self.best, value) if comparable else None,
            keep=experiment.training.keep_checkpoints,
            run={RUN: experiment.training.model_dump(mode="json"), **self._data_record},
        )
        self.step, self._saved_at = step, time.monotonic()

    def write_unsaved(self) -> int:
        """Write a checkpoint of the last step, if there is none. Returns the number of steps that are saved.

        Raises DivergedError if the state is not finite.
        """
        state = self._find_unsaved()
        if state is not None:
            self.require_finite(state)
            self.write(state)
        return self.step

    def keep_state(self) -> None:
        """Let `write_unsaved` use the current state until `release_state`: a step is about to change it."""
        state = self._read_unsaved()
        self._find_unsaved = lambda: state

    def release_state(self) -> None:
        """Let `write_unsaved` use the state of the runner again."""
        self._find_unsaved = self._read_unsaved

    def forget_unsaved(self) -> None:
        """Let `write_unsaved` write nothing: a step failed after some of its updates, and left a state of no step."""
        self._find_unsaved = lambda: None

    def require_finite(self, state: State) -> None:
        """Raise DivergedError if a weight is not finite."""
        diverged = find_not_finite(state)
        if diverged is not None:
            raise self.make_diverged_error(f"{diverged} is no longer finite")

    def make_diverged_error(self, problem: str) -> DivergedError:
        """Return the error about `problem`, with the last good checkpoint and a remedy."""
        saved = checkpoints(self._run.checkpoints)
        last = f"the last good checkpoint is {saved[-1]}" if saved else "no checkpoint had been written"
        step = self._runner.step_number
        rate = position(self._experiment.config, max(step - 1, 0)).stage.adam.learning_rate
        return DivergedError(
            f"{problem} at step {step}, so the run stopped; {last}; "
            f"try a lower adam.learning_rate (it is {rate:g}) or a higher r1_gamma"
        )

    def _read_unsaved(self) -> State | None:
        return self._runner.state() if self._runner.step_number > self.step else None


def _make_lower_better(measure: Measure, value: float | None) -> float | None:
    """Convert a measure's value to the one recorded in a checkpoint, where lower is better."""
    return -value if value is not None and measure.better == "higher" else value
