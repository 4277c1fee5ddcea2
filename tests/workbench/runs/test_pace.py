"""Estimates of the duration of a run, level by level."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import alae_core as alae
from alae_core.growth import position, stretches
from alae_workbench import Arrays, Terminal
from alae_workbench.data.batches import batches
from alae_workbench.runs.observers import Report, Start
from alae_workbench.runs.pace import Pace, Stretch, format_duration, measure_pace
from alae_workbench.storage.directory import Run
from tests.conftest import tiny_config, tiny_style_config

LEVELS = st.tuples(st.integers(1, 40), st.integers(1, 7))


@given(st.tuples(LEVELS, LEVELS), st.integers(0, 60), st.integers(0, 90))
def test_stretches_are_the_stages_of_a_schedule(levels, start, steps):
    grown = [{"images": images, "batch_size": batch} for images, batch in levels]
    config = tiny_style_config(**{"image": [8, 8, 3], "growth.levels": grown})
    found = [stage for stage, first, end in stretches(config, start, start + steps) for _ in range(first, end)]
    assert found == [position(config, step).stage for step in range(start, start + steps)]


@pytest.mark.slow
def test_measuring_restores_the_run(backend):
    config = tiny_style_config(
        **{"image": [8, 8, 3], "growth.levels": [{"images": 24, "batch_size": 4}, {"images": 24, "batch_size": 4}]}
    )
    runner = backend.runner(alae.build(config))
    pixels = Arrays(np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8))

    def make_batches(start, end):
        return batches(pixels, config, steps=end, start=start, put=runner.put)

    for batch in make_batches(0, 2):
        runner.step(batch)
    before = runner.state()
    pace = measure_pace(runner, config, make_batches, start=2, end=12)
    assert [(each.stage.lod, each.first, each.end) for each in pace.stretches] == [(0, 2, 6), (1, 6, 12)]
    assert all(each.seconds > 0 for each in pace.stretches)
    after = runner.state()
    assert all(np.array_equal(array, after[name]) for name, array in before.items())


def make_stretch(lod, first, end, seconds):
    config = tiny_style_config(**{"image": [8, 8, 3], "growth.levels": [{"images": 9}, {"images": 9}]})
    return Stretch(position(config, 0).stage._replace(lod=lod), first, end, seconds)


def test_levels_are_weighted_by_their_duration():
    pace = Pace([make_stretch(0, 0, 10, 1.0), make_stretch(1, 10, 20, 9.0)])
    assert (pace.seconds(0, 20), pace.seconds(5, 12), pace.seconds(20, 30)) == (100.0, 23.0, 0.0)
    assert str(pace) == "estimated training time: 2 min (4×4 10%, 8×8 90%)"
    assert str(Pace([make_stretch(None, 0, 10, 1.0)])) == "estimated training time: 10 s"


def test_the_time_left_includes_slower_levels(monkeypatch, tmp_path):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    output = io.StringIO()
    terminal = Terminal(Console(file=output, width=200))
    terminal.on_start(Start(Run(tmp_path), alae.build(tiny_config()), 0, 20, "a run"))
    terminal.on_pace(Pace([make_stretch(0, 0, 10, 1.0), make_stretch(1, 10, 20, 9.0)]))
    # Ten steps of a second each, and one second of overhead.
    now = 11.0
    terminal.on_report(Report(10, None, {}, {}, 4.0))
    assert "step 10/20  4 images/s  2 min left" in output.getvalue()
    now = 102.0
    terminal.on_report(Report(20, None, {}, {}, 4.0))
    assert "step 20/20  4 images/s  0 s left" in output.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (100, "2 min"), (5400, "1.5 h"), (40_000, "11 h"), (180_000, "2.1 days")],
)
def test_durations_have_a_suitable_unit(seconds, text):
    assert format_duration(seconds) == text
