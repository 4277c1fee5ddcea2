"""Take the steps of a run so that another thread can save it at any moment."""

from collections.abc import Callable, Hashable
from typing import Any

from alae_core import Losses, Runner
from alae_core.growth import Stage, position
from alae_workbench.runs.saving import Saver
from alae_workbench.runs.stop_signal import Stop


class Stepper:
    """Takes steps.

    Args:
        runner: does the steps.
        saver: saves the state before or after a step, when `stop` asks for it.
        stop: waits for steps, except those that compile.
        on_level: called before the first step of each level.

    Attributes:
        losses: the last losses of each update.
    """

    def __init__(self, runner: Runner, saver: Saver, stop: Stop, on_level: Callable[[Stage], None]) -> None:
        self.losses = Losses({})
        self._runner, self._saver, self._stop, self._on_level = runner, saver, stop, on_level
        self._compiled: set[Hashable] = set()
        self._level: Stage | None = None

    def step(self, batch: Any) -> bool:
        """Take one step. Returns whether it was the first of its kind, which compiles."""
        runner, number = self._runner, self._runner.step_number
        level = position(runner.model.config, number).stage
        if level != self._level:
            self._level = level
            self._on_level(level)
        # Updates that are done at every k-th step make steps of other kinds.
        kind = level, tuple(update.name for update in runner.model.updates if number % update.every == 0)
        if kind in self._compiled:
            with self._stop.hold():
                try:
                    self.losses |= runner.step(batch)
                except BaseException:
                    self._saver.forget_unsaved()
                    raise
            return False
        self._compile_and_step(batch)
        self._compiled.add(kind)
        return True

    def _compile_and_step(self, batch: Any) -> None:
        # This takes minutes, in which a signal saves the state before the step.
        with self._stop.hold():
            self._saver.keep_state()
        losses = self._runner.step(batch)
        # Wait for the step.
        dict(losses)
        with self._stop.hold():
            self._saver.release_state()
            self.losses |= losses
