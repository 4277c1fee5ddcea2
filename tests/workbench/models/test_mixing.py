"""Style mixing."""

import numpy as np
import pytest

import alae_core as alae
from alae_core import AlaeError
from alae_workbench.data.memory import Arrays
from alae_workbench.models.latent_files import LatentImages
from alae_workbench.models.mixing import interpolate, interpolate_along, layer_ranges, make_latents
from tests.conftest import tiny_style_config


@pytest.mark.parametrize(
    ("lods", "ranges"),
    [
        (1, [range(1)]),
        (2, [range(1), range(1, 2)]),
        (3, [range(1), range(1, 2), range(2, 3)]),
        (4, [range(2), range(2, 3), range(3, 4)]),
        (5, [range(2), range(2, 4), range(4, 5)]),
        (9, [range(2), range(2, 4), range(4, 9)]),
    ],
)
def test_layers_are_coarse_middle_or_fine(lods, ranges):
    assert layer_ranges(lods) == dict(zip(("coarse", "middle", "fine"), ranges, strict=False))


STOPS = np.array([[0.0, 10], [1, 20], [3, 0]], np.float32)


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        (False, [[0, 10], [0.5, 15], [1, 20], [2, 10], [3, 0]]),
        (True, [[0, 10], [0.5, 15], [1, 20], [2, 10], [3, 0], [1.5, 5]]),
    ],
)
def test_animations_pass_through_every_stop(loop, expected):
    found = interpolate_along(STOPS, 3, loop)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected)
    styles = np.stack([STOPS, STOPS + 1], 1)
    np.testing.assert_allclose(interpolate_along(styles, 3, loop)[:, 1], np.add(expected, 1))


@pytest.mark.parametrize(("stops", "count", "frames"), [(2, 2, (2, 2)), (2, 49, (49, 96)), (5, 8, (29, 35))])
def test_frames_are_counted_from_stop_to_stop(stops, count, frames):
    w = np.random.default_rng(0).normal(size=(stops, 4))
    assert tuple(len(interpolate_along(w, count, loop)) for loop in (False, True)) == frames
    with pytest.raises(AlaeError, match="an animation needs 2 or more stops, not 1"):
        interpolate_along(w[:1], count)


def test_more_than_four_corners_give_a_row_from_each_to_the_next():
    w = np.random.default_rng(0).normal(size=(6, 4))
    rows = interpolate(w, 3)
    assert len(rows) == 5
    for number, row in enumerate(rows):
        np.testing.assert_allclose(row, [w[number], (w[number] + w[number + 1]) / 2, w[number + 1]])


def test_style_models_with_labels_mix_images_and_latents_but_not_seeds(backend):
    model = alae.build(tiny_style_config(labels=3))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 2), np.uint8)
    w = model.map(model.sample_prior(1), labels=[2])
    made = make_latents(model, [Arrays(pixels), LatentImages(model, w)])
    np.testing.assert_array_equal(made, model.truncate(np.concatenate([model.encode(pixels), w]), 1.0))
    with pytest.raises(AlaeError, match="seed 7 has no class, and this model has 3: give images, or latents of `alae"):
        make_latents(model, [LatentImages(model, w), 7])
