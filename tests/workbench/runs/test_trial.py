"""Trials of runs: which measurement is taken, and what follows from it."""

from itertools import repeat

import numpy as np
import pytest

from alae_workbench.runs import trial
from alae_workbench.runs.plan import plan
from alae_workbench.runs.request import RunRequest
from alae_workbench.runs.train import make_trainer
from alae_workbench.runs.trial import measure_peak_memory, take_trial
from tests.conftest import tiny_config, tiny_style_config


@pytest.fixture
def make(backend, tmp_path):
    def make(config, steps):
        pixels = np.random.default_rng(0).integers(0, 256, (20, *config.image), np.uint8)
        overrides = {"training.steps": steps, "training.held_out": 4}
        request = RunRequest(config=config, data=pixels, backend=backend, out=tmp_path / "run", overrides=overrides)
        return make_trainer(request, plan(request))

    return make


def test_real_steps_are_taken_if_they_fit_into_the_budget(make, tmp_path):
    before = measure_peak_memory()
    found = take_trial(make(tiny_config(), 40), budget=1e9)
    (level,) = found.levels
    assert (level.count, level.source) == (40, "steps")
    assert 0 < level.seconds < 60
    assert found.seconds == pytest.approx(found.compiling + 40 * level.seconds)
    assert before < found.memory < 1.5 * measure_peak_memory()
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_coarser_levels_follow_from_their_arithmetic(make, monkeypatch):
    """4×4 has 16 · 5 · 10 multiplications for each of 4 images; 8×8 adds 64 · 3 · 8, for each of 6 images."""
    monkeypatch.setattr(trial, "_time_calls", lambda calls, period=1: (9.0, 2.0))
    trainer = make(tiny_style_config(), 7)
    found = take_trial(trainer, budget=1e9)
    assert [(level.count, level.source) for level in found.levels] == [(3, "arithmetic"), (4, "steps")]
    assert [level.seconds for level in found.levels] == [pytest.approx(2.0 * 3200 / 14016), 2.0]
    assert found.compiling == 2 * 7.0
    trainer.runner.load({**trainer.runner.state(), "step": np.array(3)})
    assert [level.count for level in take_trial(trainer, budget=1e9).levels] == [4], "the rest of a resumed run"


def test_without_time_to_compile_a_step_it_is_estimated_from_passes(make, monkeypatch):
    """Both passes take 2 s and 7 s more to compile: 14.5 passes for a step, and 8 times both compilations."""
    monkeypatch.setattr(trial, "_time_calls", lambda calls, period=1: (9.0, 2.0))
    (level,) = take_trial(make(tiny_config(batch_size=3), 40), budget=0).levels
    assert (level.source, level.seconds) == ("passes", pytest.approx(29.0))
    found = take_trial(make(tiny_config(batch_size=3), 40), budget=0)
    assert found.compiling == pytest.approx(8 * 14.0)
    assert found.memory > measure_peak_memory() / 2


def test_the_first_call_is_timed_apart_and_later_ones_up_to_a_limit(monkeypatch):
    clock = iter([0.0, 5.0, 6.0, 8.0, 9.0, 10.0, 11.0])
    monkeypatch.setattr(trial.time, "perf_counter", lambda: next(clock))
    # It stops after more than 4 s: steps of 1, 2, 1 and 1 s.
    assert trial._time_calls(repeat(None)) == (5.0, 1.0)
    clock = iter([0.0, 5.0])
    assert trial._time_calls(repeat(None, 1)) == (5.0, 5.0)


def test_steps_with_an_update_at_every_second_step_are_timed_in_pairs(monkeypatch):
    """The first two steps compile, whichever of them is slow; the pairs after them take 4 and 2 s."""
    clock = iter([0.0, 30.0, 34.0, 36.0])
    monkeypatch.setattr(trial.time, "perf_counter", lambda: next(clock))
    assert trial._time_calls(repeat(None), 2) == (30.0, 1.5)
