"""The feature space `random64`: frozen numbers, and distances that grow with corruption."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.distances import copied_share, density_coverage, frechet, precision_recall
from alae_workbench.evaluation.spaces import RANDOM64, downsample

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM64.features(Cache())
DIGITS = load_digits()
ORDER = np.random.default_rng(1).permutation(len(DIGITS.images))
IMAGES = (DIGITS.images[ORDER] * (255 / 16)).round().astype(np.uint8)[..., None]
CLASSES = DIGITS.target[ORDER]
REAL, OTHERS, KINDS = IMAGES[:900], IMAGES[900:], CLASSES[900:]


@pytest.fixture(scope="module")
def distance():
    """A function that returns the Fréchet distance of images from real digits."""
    real = FEATURES(REAL)
    return lambda images: frechet(real, FEATURES(np.clip(np.rint(images), 0, 255).astype(np.uint8)))


def blur(sigma):
    return gaussian_filter(OTHERS.astype(float), (0, sigma, sigma, 0))


def add_noise(sigma):
    return OTHERS + np.random.default_rng(2).normal(0, sigma, OTHERS.shape)


@pytest.mark.parametrize(
    "corrupted",
    [
        pytest.param([OTHERS, blur(0.4), blur(0.7), blur(1.2)], id="blur"),
        pytest.param([OTHERS, add_noise(15), add_noise(30), add_noise(60)], id="noise"),
        pytest.param([OTHERS, *(OTHERS[limit > KINDS] for limit in (8, 5, 2))], id="classes dropped"),
        pytest.param([OTHERS, np.roll(OTHERS, 1, 2), np.roll(OTHERS, 3, 2)], id="shift"),
    ],
)
def test_distances_grow_with_corruption(distance, corrupted):
    distances = [distance(images) for images in corrupted]
    assert all(b > 1.3 * a for a, b in pairwise(distances)), distances


def test_distances_distinguish_copied_from_missing_images():
    """Copies of all training images are perfect by all distances but `copied_share`; copies of 20 have low coverage."""
    train, held_out = FEATURES(REAL), FEATURES(OTHERS)
    assert frechet(train, train[::-1]) < frechet(train, held_out)
    assert copied_share(train, train, held_out) > 0.95
    few = train[np.arange(900) % 20]
    assert density_coverage(train, few)[1] < 0.3 < 0.9 < density_coverage(train, held_out)[1]
    assert precision_recall(train, few)[1] < 0.3


def test_features_are_frozen():
    """If these numbers change, the space must be renamed."""
    images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    values = FEATURES(images)
    assert values.shape == (2, RANDOM64.width)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[0, :4], GOLDEN, rtol=1e-4)
    np.testing.assert_allclose(
        values, np.concatenate([FEATURES(image[None]) for image in images]), rtol=1e-5, atol=1e-6
    )


GOLDEN = [0.0336287, 0.831528, 0.889629, -0.142446]


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 4, 1), (28, 28, 1), (5, 3, 3), (64, 64, 3), (40, 20, 4)])
def test_images_of_any_shape_have_features(shape):
    values = FEATURES(np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8))
    assert values.shape == (3, 64)
    assert np.isfinite(values).all()


def test_grey_images_are_converted_to_colour_and_large_images_are_averaged():
    grey = RANDOM.integers(0, 256, (3, 64, 64, 1), np.uint8)
    np.testing.assert_array_equal(FEATURES(grey), FEATURES(grey.repeat(3, 3)))
    blocks = RANDOM.integers(0, 256, (3, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(downsample(blocks.repeat(4, 1).repeat(4, 2), 32), blocks)
    np.testing.assert_array_equal(FEATURES(blocks.repeat(4, 1).repeat(4, 2)), FEATURES(blocks))
    assert FEATURES(np.empty((0, 8, 8, 1), np.uint8)).shape == (0, 64)
