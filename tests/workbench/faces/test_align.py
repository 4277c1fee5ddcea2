"""Cropping a face: the square in closed form, resampling, and the pixels beyond a photo's edge."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alae_workbench.faces.align import crop_square, face_square, side_length
from tests.workbench.faces.helpers import UPRIGHT, rotate


def test_ffhq_crop_takes_the_longer_of_eye_distance_and_mouth_distance():
    # Half the side is max(2 · 32, 1.8 · 32); the centre lies a tenth of the way from the eyes to the mouth.
    corners = face_square(UPRIGHT)
    np.testing.assert_allclose(corners, [[0, -0.8], [0, 127.2], [128, 127.2], [128, -0.8]])
    long = UPRIGHT + np.array([[0, 0], [0, 0], [0, 0], [0, 18], [0, 18]])
    assert side_length(face_square(long)) == pytest.approx(2 * 1.8 * 50)


def test_celeba_crop_is_closer():
    corners = face_square(UPRIGHT, "celeba")
    assert side_length(corners) == pytest.approx(2 * 0.78 * 64)
    np.testing.assert_allclose(corners.mean(0), [64, 60 + 0.345 * 32])


@given(
    st.sampled_from(["ffhq", "celeba"]),
    st.floats(-180, 180),
    st.floats(0.1, 10),
    st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
def test_square_rotates_scales_and_moves_with_the_face(crop, degrees, scale, shift):
    move = partial(rotate, degrees=degrees, scale=scale, shift=shift)
    np.testing.assert_allclose(face_square(move(UPRIGHT), crop), move(face_square(UPRIGHT, crop)), atol=1e-9)


def make_coordinates(side=200):
    """Make a photo in which the red and green values of a pixel are its x and y."""
    y, x = np.mgrid[:side, :side].astype(np.uint8)
    return Image.fromarray(np.stack([x, y, x], -1))


@pytest.mark.parametrize("size", [16, 60, 64, 300])
@pytest.mark.parametrize("degrees", [0, 30, -135])
def test_every_pixel_comes_from_its_place_in_the_photo(size, degrees):
    corners = rotate(np.array([[-30.0, -30], [-30, 30], [30, 30], [30, -30]]), degrees, shift=(101.3, 98.6))
    pixels = np.asarray(crop_square(make_coordinates(), corners, size)).astype(float)
    at = (np.arange(size) + 0.5) / size
    down, right = corners[1] - corners[0], corners[3] - corners[0]
    expected = corners[0] + at[:, None, None] * down + at[None, :, None] * right - 0.5
    # At the border a mean has pixels on one side only, which shifts a slope by half a pixel of the result.
    inner = slice(1, -1)
    np.testing.assert_allclose(pixels[inner, inner, :2], expected[inner, inner], atol=0.6)


@pytest.mark.parametrize("size", [32, 128])
def test_fine_pattern_is_averaged(size):
    pattern = Image.fromarray(np.kron(np.indices((600, 600)).sum(0)[..., None] % 2 * 255, [1, 1, 1]).astype(np.uint8))
    corners = rotate(np.array([[-200.0, -200], [-200, 200], [200, 200], [200, -200]]), 20, shift=(300, 300))
    assert np.ptp(np.asarray(crop_square(pattern, corners, size))) < 8


@pytest.mark.parametrize("shift", [(0, 0), (-90, 40), (300, 250)])
def test_plain_photo_continues_unchanged_beyond_its_edge(shift):
    corners = rotate(face_square(UPRIGHT), 25, scale=1.5, shift=shift)
    photo = Image.new("RGB", (450, 380), (10, 200, 30))
    assert (np.asarray(crop_square(photo, corners, 64)) == (10, 200, 30)).all()


def test_photo_is_mirrored_beyond_its_edge_and_fades_to_its_median():
    photo = Image.fromarray(np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 100, 0).repeat(3, 2))
    # The left half of the square lies outside the photo.
    square = np.array([[-40.0, 10], [-40, 90], [40, 90], [40, 10]])
    pixels = np.asarray(crop_square(photo, square, 80)).astype(float)[..., 0]
    row = pixels[40]
    np.testing.assert_allclose(row[60:], np.arange(20, 40), atol=1.5)
    assert abs(np.diff(row)).max() < 4, "no edge anywhere"
    assert row[32] > row[40], "mirrored"
