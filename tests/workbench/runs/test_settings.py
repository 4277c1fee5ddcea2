"""Settings that a run derives from others."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from alae_core import ConfigError
from alae_workbench.runs.settings import continue_experiment, load_experiment


@pytest.mark.parametrize(
    ("preset", "overrides", "images"),
    [
        ("mnist-conv", {"training.steps": 50}, 50 * 32),
        ("mnist-conv", {"training.steps": 50, "schedule.images": 70}, 70),
        # The last batch of a level is full: 10 images are three batches of 4.
        ("digits-style", {"schedule": {"rate_end": 0.5}, "growth.levels": [{"images": 10, "batch_size": 4}] * 2}, 24),
    ],
)
def test_a_schedule_without_a_length_ends_with_the_run(preset, overrides, images):
    assert load_experiment(preset, overrides).config.schedule.images == images


def test_a_configuration_without_a_schedule_gets_none():
    assert load_experiment("digits-mlp").config.schedule is None


def make_checkpoint(experiment, **training):
    """A checkpoint of a run of `experiment`, whose length may have been changed since."""
    recorded = experiment.training.model_dump(mode="json") | training
    return SimpleNamespace(path=Path("run/step-5"), config=experiment.config, run={"training": recorded})


SCHEDULED = {"schedule": {"rate_end": 0.1}, "batch_size": 16}


@pytest.mark.parametrize("recorded", [5, 10])
def test_a_longer_run_keeps_the_schedule_that_it_started_with(recorded):
    started = load_experiment("digits-mlp", SCHEDULED | {"training.steps": 5})
    requested = load_experiment("digits-mlp", SCHEDULED | {"training.steps": 20, "training.report_every": 3})
    assert (started.config.schedule.images, requested.config.schedule.images) == (80, 320)
    continued = continue_experiment(make_checkpoint(started, steps=recorded), requested)
    assert continued.config == started.config
    assert continued.training == requested.training


def test_a_run_continues_only_with_the_settings_that_determine_its_numbers():
    checkpoint = make_checkpoint(load_experiment("digits-mlp", SCHEDULED | {"training.steps": 5}))
    for changes, message in (
        ({"schedule.images": 320}, "with schedule.images=80, but now schedule.images=320 is requested"),
        ({"batch_size": 8}, "with batch_size=16, but now batch_size=8 is requested"),
        ({"training.margin": 1}, "with training.margin=0, but now training.margin=1 is requested"),
        ({"training.labels_from": "a.csv"}, "with training.labels_from=None, but now training.labels_from=a.csv is"),
    ):
        with pytest.raises(ConfigError, match=message):
            continue_experiment(checkpoint, load_experiment("digits-mlp", SCHEDULED | changes))
    requested = load_experiment("digits-mlp", SCHEDULED | {"description": "other words", "training.data": "elsewhere"})
    assert continue_experiment(checkpoint, requested).training.data == "elsewhere"
