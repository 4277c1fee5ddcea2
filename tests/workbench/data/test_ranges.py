"""Value ranges of arrays: recognised and reported."""

import numpy as np
import pytest

from alae_workbench.data.load import as_data_set
from alae_workbench.data.memory import Arrays, as_source
from alae_workbench.data.ranges import as_pixels
from alae_workbench.data.source import DataError, read_all
from alae_workbench.data.survey import survey_source
from tests.helpers.data import grey_images, load_for_training, make_config


@pytest.mark.parametrize(
    ("images", "taken"),
    [
        (grey_images(4), ""),
        (grey_images(4) / 255.0, "numbers in [0, 1]"),
        (np.float32(grey_images(4) / 127.5 - 1), "numbers in [−1, 1]"),
        (grey_images(4) / 1.0, "numbers in 0 … 255"),
        (grey_images(4).astype(int), "numbers in 0 … 255"),
        (grey_images(4)[:, None], "channels first"),
        (grey_images(4)[:, None] / 255.0, "numbers in [0, 1] and channels first"),
    ],
)
def test_recognised_ranges_are_converted_and_reported(tmp_path, images, taken):
    assert survey_source(as_source(images), "the images in hand").fixed == (8, 8)
    np.save(tmp_path / "mine.npy", images)
    for data in (as_data_set(images, make_config(), held_out=1), load_for_training(tmp_path / "mine.npy")):
        assert data.interpretation == taken
        assert np.array_equal(read_all(data.train)[..., 0], grey_images(4)[data.train.indices])
    if taken:
        # The message of `Arrays` contains a working conversion.
        with pytest.raises(DataError) as caught:
            Arrays(images)
        line = str(caught.value).rpartition("pass ")[2].partition(" of ")[0]
        assert np.array_equal(eval(line, {"as_pixels": as_pixels, "images": images}).reshape(4, 8, 8), grey_images(4))


def test_training_and_test_images_share_one_range(tmp_path):
    train, test = grey_images(4) / 127.5 - 1, np.full((2, 8, 8), 0.5)
    np.savez(tmp_path / "mine.npz", x_train=train, x_test=test)
    assert np.unique(read_all(load_for_training(tmp_path / "mine.npz").held_out)).tolist() == [191]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_zeros_and_ones_are_black_and_white(dtype):
    shapes = np.random.default_rng(0).integers(0, 2, (3, 8, 8))
    (train, test), text = as_pixels(shapes.astype(dtype), np.zeros((1, 8, 8), dtype))
    assert np.array_equal(train, shapes * 255)
    assert (train.dtype, test.max(), text) == (np.uint8, 0, "black and white, 0 and 1")


def test_other_small_integers_are_bytes():
    for values in ([0, 1, 2], [0, 0, 0]):
        pixels = np.array(values, np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
        assert np.array_equal(as_pixels(pixels)[0][0], pixels)
