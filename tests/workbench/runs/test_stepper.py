"""Steps that another thread may save between, or while they compile."""

import signal
import threading
from types import SimpleNamespace

import pytest

from alae_core import Losses
from alae_workbench.runs.stepper import Stepper
from alae_workbench.runs.stop_signal import Stop
from tests.conftest import tiny_config, tiny_style_config


class Runner:
    """Counts steps; each calls `during`, if that is set."""

    def __init__(self, config, every=1):
        updates = [SimpleNamespace(name="often", every=1), SimpleNamespace(name="rare", every=every)]
        self.model, self.step_number, self.during = SimpleNamespace(config=config, updates=updates), 0, None

    def step(self, batch):
        if self.during:
            self.during()
        self.step_number += 1
        return Losses({"often": float(self.step_number)})


class Saver:
    """Records which calls surround steps."""

    def __init__(self):
        self.kept = False
        self.forgotten = False

    def forget_unsaved(self):
        self.forgotten = True

    def keep_state(self):
        self.kept = True

    def release_state(self):
        self.kept = False


def make_stepper(runner, stop=None, levels=None):
    saver = Saver()
    return Stepper(runner, saver, stop or Stop(), [].append if levels is None else levels.append), saver


def test_the_first_step_of_each_level_compiles():
    """Three steps at the first level, and four at the second."""
    levels = []
    stepper, _ = make_stepper(Runner(tiny_style_config()), levels=levels)
    assert [stepper.step(None) for _ in range(7)] == [True, False, False, True, False, False, False]
    assert [level.lod for level in levels] == [0, 1]


def test_the_first_step_without_a_rare_update_compiles_too():
    stepper, _ = make_stepper(Runner(tiny_config(), every=3))
    assert [stepper.step(None) for _ in range(5)] == [True, True, False, False, False]
    assert dict(stepper.losses) == {"often": 5.0}


def test_a_signal_saves_while_a_step_compiles():
    runner, stop, found, saved = Runner(tiny_config()), Stop(), [], threading.Event()
    stepper, saver = make_stepper(runner, stop)

    def save(number):
        found.append(saver.kept)
        saved.set()
        return "saved"

    def signal_and_wait():
        threading.Thread(target=stop.save, args=(signal.SIGTERM,), daemon=True).start()
        saved.wait(5)

    stop.save_by(save)
    runner.during = signal_and_wait
    threading.Thread(target=stepper.step, args=(None,), daemon=True).start()
    saved.wait(5)
    assert found == [True], "with the state before the step"


def test_a_signal_waits_for_other_steps():
    runner, stop, found = Runner(tiny_config()), Stop(), []
    stepper, saver = make_stepper(runner, stop)
    stop.save_by(lambda number: found.append((saver.kept, runner.step_number)) or "saved")
    stepper.step(None)
    saving = threading.Thread(target=stop.save, args=(signal.SIGTERM,), daemon=True)

    def save():
        saving.start()
        saving.join(0.2)
        assert saving.is_alive()

    runner.during = save
    stepper.step(None)
    saving.join(5)
    assert found == [(False, 2)]


def test_the_state_of_a_step_that_failed_is_not_saved():
    """Some of its updates may be done."""
    runner = Runner(tiny_config())
    stepper, saver = make_stepper(runner)
    stepper.step(None)

    def fail():
        raise RuntimeError

    runner.during = fail
    with pytest.raises(RuntimeError):
        stepper.step(None)
    assert saver.forgotten
