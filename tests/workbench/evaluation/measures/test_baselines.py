"""Baselines of the reconstruction error against their closed forms."""

import numpy as np
import pytest

import alae_core as alae
from alae_core import View
from alae_core.images import to_float
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.measures import baselines
from alae_workbench.evaluation.measures.baselines import measure_baselines
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_style_config

PIXELS = np.random.default_rng(0).integers(0, 256, (11, 4, 3, 2), np.uint8)


def test_the_errors_are_those_of_the_mean_and_of_the_nearest_image(model, batch_sizes):
    train, held_out = to_float(PIXELS[:7]), to_float(PIXELS[7:])
    errors = measure_baselines(Subject(model, DataSet(Arrays(PIXELS[:7]), Arrays(PIXELS[7:]))))
    pairs = np.square(held_out[:, None] - train[None]).mean(axis=(2, 3, 4))
    assert errors["mean_image_error"] == pytest.approx(np.square(held_out - train.mean(axis=0)).mean(), rel=1e-5)
    assert errors["nearest_image_error"] == pytest.approx(pairs.min(axis=1).mean(), rel=1e-5)
    assert max(batch_sizes) == 3


def test_two_grey_images_give_round_numbers(model):
    """The training images are all −1 and all 0.6; each held-out image is 0.2, so 0.4 from the mean and from 0.6."""
    grey = [np.full((1, 4, 3, 2), value, np.uint8) for value in (0, 204, 153)]
    errors = measure_baselines(Subject(model, DataSet(Arrays(np.concatenate(grey[:2])), Arrays(grey[2]))))
    assert errors == pytest.approx({"mean_image_error": 0.16, "nearest_image_error": 0.16}, rel=1e-4)


def test_a_copy_of_a_training_image_has_no_error(model):
    errors = measure_baselines(Subject(model, DataSet(Arrays(PIXELS), Arrays(PIXELS[4:5]))))
    assert errors["nearest_image_error"] == pytest.approx(0, abs=1e-6)


def test_images_are_compared_at_the_level_of_the_model(backend):
    model = alae.build(tiny_style_config())
    pixels = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 2), np.uint8)
    data = DataSet(Arrays(pixels[:3]), Arrays(pixels[3:]))
    train, held_out = (source.images(np.arange(len(source)), 4) for source in (data.train, data.held_out))
    errors = measure_baselines(Subject(model, data, View(0)))
    assert errors["mean_image_error"] == pytest.approx(np.square(held_out - train.mean(axis=0)).mean(), rel=1e-5)


@pytest.mark.parametrize("limit", ["_MOST_PRODUCTS", "_MOST_NUMBERS"])
def test_of_large_images_only_the_first_are_compared(model, monkeypatch, limit):
    monkeypatch.setattr(baselines, limit, 1)
    held_out = Arrays(PIXELS[7:])
    few = measure_baselines(Subject(model, DataSet(Arrays(PIXELS[:7]), held_out)))
    first = measure_baselines(Subject(model, DataSet(Arrays(PIXELS[:7]), Arrays(PIXELS[7:8]))))
    assert few == first
