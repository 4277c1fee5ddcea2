"""Settings that a run derives from others."""

import pytest

from alae_workbench.runs.settings import load_experiment


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
