"""Verdicts on training images."""

import pytest

from alae_workbench.runs.settings import change_experiment
from alae_workbench.runs.verdict import judge_data, needs_augmentation
from tests.conftest import tiny_config


def judge(train, held_out, steps=1_000, **overrides):
    """Return the verdict on a run that shows six images in each step, and its advice."""
    experiment = change_experiment(tiny_config(**overrides), {"steps": steps}, {}, "a test")
    verdict, *advice = judge_data(experiment, train, held_out)
    return verdict, "\n".join(advice)


def test_images_that_are_shown_fifty_times_need_augmentation():
    assert needs_augmentation(4_000, 200_000)
    assert not needs_augmentation(4_001, 200_000)


@pytest.mark.parametrize(
    ("train", "verdict"),
    [
        (36, r"36 training images are too few to learn from; such a model needs 1,000, better 10,000"),
        (5_000, r"5,000 training images are enough to try (few of them are shown twice)"),
        (60_000, r"60,000 training images are enough (few of them are shown twice)"),
    ],
)
def test_the_verdict_depends_on_the_number_of_images(train, verdict):
    assert judge(train, 500)[0].startswith(f"verdict: {verdict}")


def test_the_verdict_gives_the_number_of_showings():
    assert "(each is shown 167 times)" in judge(36, 4)[0]


def test_the_advice_names_settings_to_change():
    advice = judge(36, 4)[1]
    assert "--set 'augment={p: 0.15}'" in advice
    assert "more images help most" in advice
    assert "--from RUN" in advice
    assert "4 held-out images are too few for exact measures: 100 or more are better (training.held_out)" in advice
    assert "alae new" not in advice, "the images are small already"
    augmented = judge(36, 400, augment={"p": 0.15})[1]
    assert "--set" not in augmented
    assert "augmentation slows D down" in augmented
    assert "held-out" not in augmented


def test_a_run_from_trained_weights_is_not_advised_to_start_from_some():
    origin = {"path": "run/checkpoints/step-00000001"}
    experiment = change_experiment(tiny_config(), {"steps": 10, "origin": origin}, {}, "a test")
    assert "--from" not in "\n".join(judge_data(experiment, 36, 4))


def test_large_images_and_short_trainings_get_advice():
    assert "--size 32 of `alae new`, instead of 64" in judge(36, 500, image=[64, 64, 1])[1]
    assert "the training is short for so many images: raise --steps" in judge(5_000, 500)[1]
    assert judge(5_000, 500, steps=10_000)[1] == "", "each is shown 12 times"


def test_only_algorithms_with_a_discriminator_need_augmentation():
    assert "augment" not in judge(36, 400, algorithm="autoencoder")[1]
