"""Conversion and block means of images against NumPy in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alae_core import ArgumentError
from alae_core.images import pooled, to_float, to_uint8
from tests.conftest import random_images
from tests.tolerances import FLOAT32, POOLED

GREYS = np.arange(256, dtype=np.uint8)


def means(images, size):
    count, height, _, channels = images.shape
    block = height // size
    return images.astype(np.float64).reshape(count, size, block, size, block, channels).mean(axis=(2, 4))


def random_bytes(count, size, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def test_grey_levels_round_trip_through_floats():
    floats = to_float(GREYS)
    assert floats.dtype == np.float32
    assert (floats[0], floats[-1]) == (-1, 1)
    np.testing.assert_allclose(floats, np.arange(256) / 127.5 - 1, **FLOAT32)
    assert np.array_equal(to_uint8(floats), GREYS)


def test_floats_are_rounded_and_clipped_to_grey_levels():
    assert to_uint8(np.array([-3.0, -1.0, 0.001, 1.0, 9.0], np.float32)).tolist() == [0, 0, 128, 255, 255]


def test_float_conversion_does_not_change_its_input():
    images = random_bytes(2, 4)
    kept = images.copy()
    to_float(images)
    assert np.array_equal(images, kept)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 4, 8])
def test_floats_are_reduced_to_block_means(size, channels):
    images = random_images(3, (16, 16, channels))
    found = pooled(images, size)
    assert (found.shape, found.dtype) == ((3, size, size, channels), np.float32)
    np.testing.assert_allclose(found, means(images, size), **FLOAT32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 16, 32])
def test_bytes_are_reduced_to_exact_means(size, channels):
    """Sums of bytes over blocks of power-of-two size are exact in float32."""
    images = random_bytes(2, 64, channels)
    found = pooled(images, size)
    assert found.dtype == np.float32
    assert np.array_equal(found, means(images, size))
    assert not np.array_equal(found, np.rint(found)), "grey levels between the whole ones"


@pytest.mark.parametrize("size", [512, 256, 4])
def test_sums_of_the_brightest_bytes_do_not_overflow(size):
    assert np.array_equal(pooled(np.full((1, 512, 512, 1), 255, np.uint8), size), np.full((1, size, size, 1), 255.0))


def test_reducing_at_once_equals_reducing_by_halves():
    """A level equals repeated halving of the finest images."""
    images = random_bytes(2, 64)
    by_halves = to_float(images)
    for size in (32, 16, 8, 4):
        by_halves = means(by_halves, size).astype(np.float32)
        np.testing.assert_allclose(to_float(pooled(images, size)), by_halves, **POOLED)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_of_the_requested_size_are_returned_unchanged(dtype):
    images = random_bytes(2, 8).astype(dtype)
    assert pooled(images, 8) is images


def test_zero_images_can_be_reduced():
    assert pooled(random_bytes(0, 8), 4).shape == (0, 4, 4, 3)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((2, 8, 8, 3), 16), ((2, 8, 8, 3), 3), ((2, 12, 12, 3), 4), ((2, 8, 4, 3), 4), ((2, 8, 8, 3), 0)],
)
def test_impossible_sizes_are_refused(shape, size):
    with pytest.raises(
        ArgumentError, match=rf"size is {size}, but images of {shape[1]}×{shape[2]} cannot be"
    ) as caught:
        pooled(np.zeros(shape, np.uint8), size)
    assert caught.value.argument == "size"


def test_float_images_are_bytes_over_127_5_minus_1():
    levels = np.arange(256, dtype=np.uint8)
    floats = to_float(levels)
    assert floats.dtype == np.float32
    assert (floats[0], floats[-1]) == (-1, 1)
    assert np.array_equal(to_uint8(floats), levels)
    assert list(to_uint8(np.array([-7.0, 7.0]))) == [0, 255]


@given(st.integers(0, 3), st.integers(0, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_bytes_are_pooled_to_exact_means(count, halvings, channels, seed):
    images = random_bytes(count, 3 * 2**halvings, channels, seed)
    found = pooled(images, 3)
    assert found.dtype == (np.float32 if halvings else np.uint8)
    assert np.array_equal(found, means(images, 3))


@pytest.mark.parametrize("block", [16, 32, 256])
def test_sums_of_white_blocks_are_exact(block):
    """Blocks white except for one pixel: their sums need every bit of their integer type, and of float32."""
    white = np.full((1, 2 * block, 2 * block, 2), 255, np.uint8)
    white[0, 0, 0, 0] = 254
    expected = means(white, 2)
    assert expected[0, 0, 0, 0] == 255 - 1 / block**2
    assert np.array_equal(pooled(white, 2), expected)


def test_floats_are_pooled_in_their_own_range():
    floats = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    found = pooled(floats, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, means(floats, 4), **FLOAT32)
