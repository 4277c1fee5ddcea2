"""Subsets, splits and margins of a source."""

import numpy as np
import pytest
from PIL import Image

from alae_core.images import to_float
from alae_workbench.data.derived import Subset, add_margin, take_first
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import block_means, make_config, random_pixels


def test_a_margin_is_black_and_part_of_the_image(tmp_path):
    pixels = random_pixels(5, 6, 1, seed=1)
    source = add_margin(Arrays(pixels, np.arange(5)), 1)
    expected = np.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)))
    assert (len(source), source.shape, source.labels.tolist()) == (5, (8, 8, 1), [0, 1, 2, 3, 4])
    assert np.array_equal(read_all(source), expected)
    assert np.array_equal(read_all(source, 4), to_float(block_means(expected, 4)))
    np.savez(tmp_path / "mine.npz", images=pixels)
    data = load_data(str(tmp_path / "mine.npz"), make_config(), margin=1, held_out=2)
    assert np.array_equal(read_all(data.train), expected[data.train.indices])
    Image.fromarray(np.full((30, 30), 255, np.uint8)).save(tmp_path / "white.png")
    white = read_all(load_images(str(tmp_path / "white.png"), make_config(), margin=1))
    assert np.array_equal(white, np.pad(np.full((1, 6, 6, 1), 255), ((0, 0), (1, 1), (1, 1), (0, 0))))
    with pytest.raises(DataError, match="are 10×10×1 with the margin of 2, but the configuration says 8×8×1"):
        load_data(str(tmp_path / "mine.npz"), make_config(), margin=2, held_out=2)


def test_a_subset_has_images_and_labels_in_its_own_order():
    pixels, labels = random_pixels(5, 8), np.arange(5)
    part = Subset(Arrays(pixels, labels), np.array([4, 0, 2]))
    assert (len(part), part.shape, part.labels.tolist()) == (3, (8, 8, 3), [4, 0, 2])
    assert np.array_equal(read_all(part), pixels[[4, 0, 2]])
    assert np.array_equal(part.images(np.array([2, 2, 0]), 4), to_float(block_means(pixels[[2, 2, 4]], 4)))
    assert Subset(Arrays(pixels), slice(2)).labels is None


def test_a_subset_of_a_subset_refers_to_the_original_source():
    whole = Arrays(random_pixels(5, 8), np.arange(5))
    inner = Subset(Subset(whole, np.array([4, 0, 2, 1])), slice(1, 3))
    assert inner.labels.tolist() == [0, 2]
    assert np.array_equal(read_all(inner), whole.pixels[[0, 2]])
    assert inner.fingerprint == Subset(whole, np.array([0, 2])).fingerprint
    assert [len(take_first(inner, count)) for count in (0, 1, 9)] == [0, 1, 2]
    assert take_first(inner, 1).labels.tolist() == [0]
