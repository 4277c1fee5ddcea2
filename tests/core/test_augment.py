"""Augmented images: each transformation in closed form, all together against the reference."""

import numpy as np
import pytest
from keras import ops

from alae_conformance.reference.augment import augmentation
from alae_core.augment import adapt_p, augment_images, changes
from alae_core.draws import NUMBERS
from alae_core.groups import Augment
from tests.conftest import random_images
from tests.tolerances import AUGMENTED, FLOAT32

pytestmark = pytest.mark.each_backend

TRANSFORMS = tuple(NUMBERS)


def numbers(**given):
    """Return random numbers of one image that make exactly the given transformations happen."""
    row = []
    for name, count in NUMBERS.items():
        row += [0.0, *given[name]] if name in given else [0.99] + [0.5] * (count - 1)
    return np.array([row], np.float32)


def augment(images, chosen, p=0.5, transforms=TRANSFORMS):
    as_tensor = ops.convert_to_tensor
    found = augment_images(as_tensor(images), as_tensor(changes(chosen).astype(np.float32)), p, transforms)
    return ops.convert_to_numpy(found)


def augment_one(images, **given):
    return augment(images[:1], numbers(**given))[0]


def assert_close(found, expected, within=FLOAT32):
    np.testing.assert_allclose(found, expected, **within)


# ---- each transformation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8, 3), (5, 7, 1), (6, 4, 2)], ids=str)
def test_images_without_changes_keep_every_bit(backend, shape):
    images = random_images(6, shape)
    drawn = np.random.default_rng(1).random((6, 16), dtype=np.float32)
    assert np.array_equal(augment(images, drawn, p=0.0), images)
    assert np.array_equal(augment(images[:1], numbers()), images[:1])
    for name in TRANSFORMS:
        others = [each for each in TRANSFORMS if each != name]
        chosen = numbers(**{name: [0.9] * (NUMBERS[name] - 1)})
        assert np.array_equal(augment(images[:1], chosen, transforms=others), images[:1]), name
        # Only images with several columns and channels, because flips and hues do not change others.
        assert not np.array_equal(augment(images[:1], chosen, transforms=[name]), images[:1]), name


def test_flips_happen_with_half_of_p(backend):
    images = random_images(200, (3, 4, 1))
    assert_close(augment_one(images, flip=[]), images[0][:, ::-1])
    chosen = np.repeat(numbers(), 200, axis=0)
    chosen[:, 0] = np.arange(200) / 200
    flipped = (augment(images, chosen, p=0.5) != images).any(axis=(1, 2, 3))
    assert np.array_equal(flipped, np.arange(200) < 50)


def test_shifts_are_fractions_of_the_side_with_reflected_edges(backend):
    image = random_images(1, (8, 8, 2))
    down, right = 1.0, 0.5  # of ±1/8 of the side: one pixel down, none to the right
    assert_close(augment_one(image, shift=[down, right]), np.pad(image[0], ((0, 1), (0, 0), (0, 0)), "symmetric")[1:])
    assert_close(augment_one(image, shift=[0.0, 1.0]), np.pad(image[0], ((1, 0), (0, 1), (0, 0)), "symmetric")[:-1, 1:])
    half = 0.75
    expected = (image[0] + np.pad(image[0], ((0, 1), (0, 0), (0, 0)), "symmetric")[1:]) / 2
    assert_close(augment_one(image, shift=[half, 0.5]), expected)


def test_rotations_are_about_the_centre(backend):
    image = random_images(1, (7, 7, 3))
    assert_close(augment_one(image, rotate=[0.75]), np.rot90(image[0]))
    assert_close(augment_one(image, rotate=[0.25]), np.rot90(image[0], -1))
    assert_close(augment_one(image, rotate=[0.0]), image[0][::-1, ::-1])


@pytest.mark.parametrize("larger", [0.0, 0.25])
def test_scaling_is_about_the_centre(backend, larger):
    """A linear ramp stays linear about the centre, with its slopes multiplied by 2^(0.2·√3·(2u − 1))."""
    y, x = np.indices((9, 9)) - 4.0
    plane = (0.1 * y - 0.05 * x + 0.2)[None, ..., None].astype(np.float32)
    factor = 2 ** (0.2 * 3**0.5 * (2 * larger - 1))
    assert_close(augment_one(plane, scale=[larger]), (factor * (plane[0] - 0.2)) + 0.2)


def test_images_reflect_repeatedly(backend):
    """Pixels far outside come from repeated reflections."""
    image = random_images(1, (3, 3, 1))
    chosen = changes(numbers(shift=[0.5, 0.5])).astype(np.float32)
    pattern = np.concatenate([image[0], image[0][::-1]])
    for rows in (-13, -4, 3, 6, 8, 20):
        chosen[:, 2] = rows / 3
        found = ops.convert_to_numpy(
            augment_images(ops.convert_to_tensor(image), ops.convert_to_tensor(chosen), 0.5, TRANSFORMS)
        )
        assert_close(found[0], pattern[np.arange(rows, rows + 3) % 6])


def test_brightness_adds_and_contrast_multiplies(backend):
    image = random_images(1, (4, 4, 1))
    contrast, brightness = 2 ** (0.5 * 3**0.5 * 0.4), 0.2 * 3**0.5 * 0.6
    assert_close(augment_one(image, colour=[0.8, 0.7, 0.9, 0.9]), contrast * image[0] + brightness)


def test_hue_rotates_colours_about_grey_and_saturation_scales_them(backend):
    image = random_images(1, (4, 4, 3))
    third = 5 / 6
    assert_close(augment_one(image, colour=[0.5, 0.5, 0.5, third]), np.roll(image[0], 1, axis=-1))
    grey = image[0].mean(axis=-1, keepdims=True)
    assert_close(augment_one(image, colour=[0.5, 0.5, 0.75, 0.5]), grey + 2 ** (3**0.5 / 2) * (image[0] - grey))
    assert_close(
        augment_one(np.repeat(image[..., :1], 3, axis=-1), colour=[0.5, 0.5, 0.9, 0.9]),
        np.repeat(image[0, ..., :1], 3, -1),
    )


def test_cutout_is_grey_and_half_as_high_and_wide_as_the_image(backend):
    image = random_images(1, (8, 6, 2))
    expected = image[0].copy()
    expected[1:5, 3:6] = 0
    assert_close(augment_one(image, cutout=[3 / 8, 4.5 / 6]), expected)
    expected = image[0].copy()
    expected[6:, 3:6] = 0
    assert_close(augment_one(image, cutout=[1.0, 4.5 / 6]), expected)


# ---- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8, 3), (5, 7, 1), (4, 6, 2), (1, 1, 3)], ids=str)
def test_all_transformations_match_the_reference_and_its_adjoint(backend, shape):
    images, weights = random_images(40, shape), random_images(40, shape, seed=1)
    drawn = np.random.default_rng(2).random((40, 16), dtype=np.float32)
    reference = augmentation(drawn, 0.6, TRANSFORMS, shape)
    assert_close(augment(images, drawn, p=0.6), reference.apply(images.astype(np.float64)), AUGMENTED)

    def weighted(images):
        found = augment_images(images, ops.convert_to_tensor(changes(drawn).astype(np.float32)), 0.6, TRANSFORMS)
        return ops.sum(found * ops.convert_to_tensor(weights), axis=(1, 2, 3))

    _, gradient = backend.input_gradient(weighted, ops.convert_to_tensor(images))
    expected = reference.backward(weights.astype(np.float64))
    assert_close(ops.convert_to_numpy(ops.stop_gradient(gradient)), expected, AUGMENTED)


def test_changes_do_not_depend_on_the_batch(backend):
    images, drawn = random_images(5, (6, 6, 3)), np.random.default_rng(3).random((5, 16), dtype=np.float32)
    assert_close(augment(images, drawn, p=0.8)[3:4], augment(images[3:4], drawn[3:4], p=0.8))


# ---- how p adapts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "separation", "expected"),
    [(0.3, 0.7, 0.4), (0.3, 0.5, 0.2), (0.3, 0.6, 0.3), (0.75, 1.0, 0.8), (0.05, -1.0, 0.0), (0.8, 1.0, 0.8)],
)
def test_p_moves_with_the_images_shown_and_stays_below_its_maximum(backend, p, separation, expected):
    found = adapt_p(
        Augment(target=0.6, images=60), *(ops.convert_to_tensor(x, "float32") for x in (p, separation)), images=6
    )
    assert_close(ops.convert_to_numpy(found), expected)
