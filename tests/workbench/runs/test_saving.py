"""Checkpoints of a run: when they are due, and what is saved when a signal stops the run."""

import numpy as np
import pytest

from alae_core import DivergedError, load_checkpoint
from alae_core.checkpoint_files import checkpoints
from alae_core.sizes import count_weights
from alae_workbench.runs.saving import Saver
from alae_workbench.runs.settings import Experiment, Training
from alae_workbench.storage.directory import Run
from tests.conftest import tiny_config


class Runner:
    """A runner whose weights all equal the number of its step."""

    name = "none"

    def __init__(self, config):
        self.backend, self.step_number = self, 0
        self.sizes = {
            f"{of}/{name}/x": size for name, size in count_weights(config).items() for of in ("weights", "averages")
        }

    def versions(self):
        return {}

    def state(self):
        arrays = {name: np.full(size, self.step_number, np.float32) for name, size in self.sizes.items()}
        return {"step": np.asarray(self.step_number, np.int64), **arrays}


@pytest.fixture
def runner():
    return Runner(tiny_config())


@pytest.fixture
def saver(runner, tmp_path):
    training = Training(data="digits", steps=95, checkpoint_every=10, checkpoint_minutes=2)
    run = Run(tmp_path)
    run.checkpoints.mkdir()
    return Saver(run, Experiment(tiny_config(), training), runner, {"data": "images"}, None)


def read_steps(saver):
    """The steps of the checkpoints, each of which must hold the weights of its step."""
    found = [load_checkpoint(path) for path in checkpoints(saver.newest.parent)] if saver.newest else []
    assert all((array == each.step).all() for each in found for array in each.state.values())
    return [each.step for each in found]


def test_checkpoints_are_due_at_regular_steps_at_the_end_and_after_minutes(saver, runner, monkeypatch):
    now = saver._saved_at
    monkeypatch.setattr("time.monotonic", lambda: now)

    def is_due(step):
        runner.step_number = step
        return saver.is_due()

    assert [step for step in range(1, 96) if is_due(step)] == [*range(10, 91, 10), 95]
    now += 119
    assert not is_due(11)
    now += 1
    assert is_due(11)
    saver.write(runner.state())
    assert not is_due(12)


def test_the_last_step_is_saved_unless_it_already_is(saver, runner):
    assert saver.write_unsaved() == 0
    runner.step_number = 7
    assert saver.write_unsaved() == 7
    written = saver.newest.stat().st_mtime_ns
    assert saver.write_unsaved() == 7
    assert saver.newest.stat().st_mtime_ns == written
    assert read_steps(saver) == [7]


def test_while_a_step_compiles_the_state_before_it_is_saved(saver, runner):
    runner.step_number = 7
    saver.keep_state()
    runner.step_number = 8
    assert saver.write_unsaved() == 7
    assert read_steps(saver) == [7]


def test_after_a_step_has_compiled_the_state_after_it_is_saved(saver, runner):
    runner.step_number = 7
    saver.keep_state()
    runner.step_number = 8
    saver.release_state()
    assert saver.write_unsaved() == 8


def test_weights_that_are_not_finite_are_refused(saver):
    with pytest.raises(DivergedError, match="no longer finite"):
        saver.require_finite({"weights/F/x": np.array([np.inf])})
