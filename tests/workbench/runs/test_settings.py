"""Settings that a run derives from others."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from alae_core import ConfigError
from alae_core.growth import count_shown, position
from alae_workbench.runs.settings import (
    continue_experiment,
    describe_resumption,
    load_experiment,
    resume_experiment,
)


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


def make_checkpoint(experiment, step=5, **training):
    """A checkpoint of a run of `experiment`, whose length may have been changed since."""
    recorded, config = experiment.training.model_dump(mode="json") | training, experiment.config
    return SimpleNamespace(
        path=Path("run/step-5"), config=config, step=step, shown=count_shown(config, step), run={"training": recorded}
    )


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


#: two steps of 16 images, then six of 8, of which five fade in
GROWING = {
    "growth.levels": [{"images": 32, "batch_size": 16}, {"images": 48, "fade": 5 / 6, "batch_size": 8}],
    "schedule": {"rate_end": 0.1, "constant": 0.0},
}


def test_batch_sizes_may_change_when_a_run_resumes():
    started = load_experiment("digits-style", GROWING)
    checkpoint = make_checkpoint(started, step=5)
    before = position(started.config, 5)
    for changes, steps in (
        ({"growth.levels.1.batch_size": 4}, 5 + 6),
        ({"growth.levels.1.batch_size": 24}, 5 + 1),
        ({"growth.levels.0.batch_size": 1}, 5 + 3),
        ({"growth.levels.1.batch_size": 4, "growth.levels.1.learning_rate": 1e-3, "r1_gamma": 3.0}, 5 + 6),
    ):
        experiment = resume_experiment(checkpoint, changes)
        now = position(experiment.config, 5)
        assert (now.stage.lod, now.blend, now.shown) == (1, before.blend, 32 + 24)
        assert experiment.steps == steps
        assert position(experiment.config, 5).rates == before.rates, "the rate is that of as many images"
        again = resume_experiment(make_checkpoint(experiment, step=6), {"growth.levels.1.batch_size": 2})
        assert sum(count_shown(again.config, 6)) == position(experiment.config, 6).shown


def test_a_run_resumed_without_changes_has_the_same_configuration():
    started = load_experiment("digits-style", GROWING)
    assert resume_experiment(make_checkpoint(started)).config == started.config
    changed = resume_experiment(make_checkpoint(started), {"growth.levels.1.batch_size": 4})
    assert resume_experiment(make_checkpoint(changed, step=7)).config == changed.config
    assert continue_experiment(
        make_checkpoint(changed, step=7), load_experiment("digits-style", {**GROWING, "growth.levels.1.batch_size": 4})
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"growth.levels.1.images": 96},
            "growth.levels.1.images=96 would move the run from 8×8 at blend 0.655 to 8×8 at blend 0.206 after 56 i",
        ),
        ({"growth.levels.1.fade": 0.5}, "growth.levels.1.fade=0.5 would move .* at blend 0.655 to 8×8 at blend 1 "),
        ({"growth.levels.0.images": 100}, "growth.levels.0.images=100 would move .* 0.655 to 4×4 at blend 1 after 56"),
    ],
)
def test_changes_that_would_move_a_run_to_another_level_or_blend_are_refused(changes, message):
    checkpoint = make_checkpoint(load_experiment("digits-style", GROWING), step=5)
    with pytest.raises(ConfigError, match=message):
        resume_experiment(checkpoint, changes)


def test_changes_of_the_length_that_leave_the_position_are_accepted():
    checkpoint = make_checkpoint(load_experiment("digits-style", GROWING), step=5)
    longer = resume_experiment(checkpoint, {"growth.levels.1.images": 80, "growth.levels.1.fade": 0.5})
    assert longer.steps == 2 + 10
    assert longer.config.resumed is None
    assert resume_experiment(checkpoint, {"training.steps": 9}).steps == 9


def test_a_resumed_run_names_its_changes_and_the_images_that_it_now_shows():
    started = load_experiment("digits-mlp", {"batch_size": 16, "training.steps": 20})
    checkpoint = make_checkpoint(started, step=5)
    assert describe_resumption(checkpoint, resume_experiment(checkpoint)) == []
    assert describe_resumption(checkpoint, resume_experiment(checkpoint, {"batch_size": 8, "r1_gamma": 2.0})) == [
        "changed: batch_size=8, r1_gamma=2.0; before: batch_size=16, r1_gamma=100.0",
        "20 steps show 200 images in all, instead of 320: --steps changes the length",
    ]
    assert describe_resumption(checkpoint, resume_experiment(checkpoint, {"training.steps": 30})) == [
        "changed: training.steps=30; before: training.steps=20"
    ]
