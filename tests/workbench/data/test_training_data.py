"""The record of a run's images, and how other images are read for its model."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from alae_core.config_data import RUN
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.memory import as_source
from alae_workbench.data.source import read_all
from alae_workbench.data.training_data import (
    COUNT,
    VALUE_RANGE,
    TrainingData,
    options_for_other_images,
    record_data,
    source_options_of,
)
from tests.helpers.data import grey_images, make_config

UNIT = (grey_images(20) / 255).astype(np.float32)


def train_on(path, pixels, **settings):
    """Return a checkpoint as far as it records the images in `path`."""
    np.save(path, pixels)
    training = TrainingData(**settings)
    data = load_data(str(path), make_config(), held_out=2, options=source_options_of(training))
    return SimpleNamespace(path=path, run={RUN: training.model_dump(mode="json"), **record_data(data)})


@pytest.mark.parametrize(
    ("pixels", "settings", "recorded"),
    [
        (UNIT, {}, "0..1"),
        (UNIT * 2 - 1, {}, "-1..1"),
        (UNIT * 4095, {"range": "0..4095"}, "0..4095"),
        (grey_images(20).astype(np.int64), {}, "0..255"),
        (grey_images(20), {}, ""),
        (grey_images(20) % 16, {"range": "0..15"}, ""),
    ],
)
def test_the_range_and_number_of_arrays_are_recorded(tmp_path, pixels, settings, recorded):
    checkpoint = train_on(tmp_path / "a.npy", pixels, **settings)
    assert (checkpoint.run[VALUE_RANGE], checkpoint.run[COUNT]) == (recorded, 20)


def read_other(folder, checkpoint, pixels):
    np.save(folder / "other.npy", pixels)
    options = options_for_other_images(checkpoint)
    return read_all(load_images(str(folder / "other.npy"), make_config(), options=options))[..., 0]


def test_other_arrays_are_read_in_the_range_of_the_training(tmp_path):
    checkpoint = train_on(tmp_path / "a.npy", UNIT * 2 - 1)
    bright = UNIT[:2] / 2 + 0.5
    expected = np.rint((bright + 1) * 127.5).astype(np.uint8)
    assert np.array_equal(read_other(tmp_path, checkpoint, bright), expected)
    in_memory = as_source(bright, options_for_other_images(checkpoint).wide_range)
    assert np.array_equal(read_all(in_memory)[..., 0], expected)
    # Bytes, and values outside of the range, have their own.
    assert np.array_equal(read_other(tmp_path, checkpoint, grey_images(2)), grey_images(2))
    assert np.array_equal(read_other(tmp_path, checkpoint, grey_images(2) * 1.0), grey_images(2))
    Image.fromarray(grey_images(1)[0]).save(tmp_path / "0.png")
    options = options_for_other_images(checkpoint)
    (image,) = read_all(load_images(str(tmp_path / "0.png"), make_config(), options=options))
    assert np.array_equal(image[..., 0], grey_images(1)[0])


def test_a_stated_range_of_more_than_8_bits_does_not_apply_to_bytes(tmp_path):
    """They would be nearly black."""
    checkpoint = train_on(tmp_path / "a.npy", UNIT * 4095, range="0..4095")
    assert np.array_equal(read_other(tmp_path, checkpoint, grey_images(2)), grey_images(2))
    dark = UNIT[:2] * 1000
    assert np.array_equal(
        read_other(tmp_path, checkpoint, dark), np.rint(dark.astype(np.float64) * (255 / 4095)).astype(np.uint8)
    )
    # Floats in [0, 1] would be black.
    assert np.array_equal(read_other(tmp_path, checkpoint, UNIT[:2]), grey_images(20)[:2])


def test_a_stated_range_of_bytes_applies_to_other_bytes(tmp_path):
    checkpoint = train_on(tmp_path / "a.npy", grey_images(20) % 16, range="0..15")
    other = grey_images(2) % 12
    assert np.array_equal(read_other(tmp_path, checkpoint, other), other * 17)
