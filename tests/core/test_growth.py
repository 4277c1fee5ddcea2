"""Where a run is: level, blend, pace and restarts as functions of the step; and what real images become."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from alae_core import ConfigError, load_config
from alae_core.config import make_config
from alae_core.growth import position, real_images, total_steps
from alae_core.state import draws
from tests.conftest import TINY_STYLE, random_images, tiny_config, tiny_style_config
from tests.tolerances import FLOAT32

#: 3 steps of 4 images; 8 of 6, of which 4 fade; 5 of 2, of which the first two and a half fade
LEVELS = [
    {"images": 12, "batch_size": 4, "learning_rate": 3e-3},
    {"images": 48},
    {"images": 9, "batch_size": 2, "fade": 5 / 9, "learning_rate": 2e-3},
]


def grown(**overrides):
    return tiny_style_config(image=[16, 16, 2], growth__levels=LEVELS, **overrides)


def test_a_run_goes_through_its_levels_and_stays_at_the_last():
    config = grown()
    places = [position(config, step) for step in range(40)]
    assert [place.stage.lod for place in places] == [0] * 3 + [1] * 8 + [2] * 29
    assert total_steps(config) == 3 + 8 + 5
    assert [place.stage.batch_size for place in places[:17]] == [4] * 3 + [6] * 8 + [2] * 6
    assert [place.stage.adam.learning_rate for place in places[:17]] == [3e-3] * 3 + [1e-3] * 8 + [2e-3] * 6
    assert [step for step, place in enumerate(places) if place.restarts] == [3, 11]
    shown = np.cumsum([0, *(place.stage.batch_size for place in places)])
    assert [place.shown for place in places] == shown[:-1].tolist()
    for place in places:
        assert place.stage.average_decay == 0.5 ** (place.stage.batch_size / config.average_halflife)


def test_a_level_fades_in_over_its_share_of_the_images():
    config = grown()
    blends = [position(config, step).blend for step in range(17)]
    expected = [0.5 - 0.5 * np.cos(np.pi * progress) for progress in (0, 0.25, 0.5, 0.75)]
    np.testing.assert_allclose(blends[:3], 1)
    np.testing.assert_allclose(blends[3:7], expected)
    assert (blends[3], blends[5]) == (0, pytest.approx(0.5))
    assert blends[7:11] == [1] * 4
    np.testing.assert_allclose(blends[11:14], [0.5 - 0.5 * np.cos(np.pi * p) for p in (0, 0.4, 0.8)])
    assert blends[14:] == [1] * 3


def test_a_fade_of_nothing_is_whole_at_once():
    config = tiny_style_config(growth__levels=[{"images": 6}, {"images": 12, "fade": 0.0}])
    assert [position(config, step).blend for step in range(4)] == [1, 1, 1, 1]


def test_adam_goes_on_where_it_is_told_to():
    assert not any(position(grown(growth__restart_adam=False), step).restarts for step in range(20))


@given(st.integers(0, 10**7), st.integers(1, 10**6), st.integers(1, 512), st.floats(0, 1))
def test_blends_are_numbers_between_0_and_1(step, images, batch_size, fade):
    level = {"images": images, "batch_size": batch_size, "fade": fade}
    place = position(tiny_style_config(growth__levels=[level, level]), step)
    assert 0 <= place.blend <= 1
    assert place.shown == step * batch_size
    assert place.restarts == (step == -(-images // batch_size))


def test_networks_without_levels_have_one_stage():
    config = tiny_config()
    for step in (0, 7):
        place = position(config, step)
        assert (place.stage.lod, place.blend, place.restarts, place.shown) == (None, 1.0, False, 6 * step)
    assert total_steps(config) == 20


def test_steps_that_are_said_outweigh_the_schedule():
    assert total_steps(grown(training__steps=5)) == 5


# ---- images ----------------------------------------------------------------------------------------------------------


def shown(images, lod, blend):
    return ops.convert_to_numpy(real_images(ops.convert_to_tensor(images), lod, blend))


def pooled(images, size):
    count, height, width, channels = images.shape
    return images.reshape(count, size, height // size, size, width // size, channels).mean(axis=(2, 4))


@pytest.mark.parametrize("lod", [0, 1, 2])
def test_images_are_pooled_to_the_level_and_keep_their_mean(lod, backend):
    images = random_images(3, (16, 16, 2))
    size = 4 * 2**lod
    np.testing.assert_allclose(shown(images, lod, 1.0), pooled(images, size), **FLOAT32)
    for blend in (0.0, 0.3, 1.0):
        found = shown(images, lod, blend)
        assert found.shape == (3, size, size, 2)
        np.testing.assert_allclose(found.mean(axis=(1, 2)), images.mean(axis=(1, 2)), **FLOAT32)
        if lod:
            below = pooled(images, size // 2).repeat(2, axis=1).repeat(2, axis=2)
            np.testing.assert_allclose(found, (1 - blend) * below + blend * pooled(images, size), **FLOAT32)
        else:
            np.testing.assert_allclose(found, pooled(images, 4), **FLOAT32)


# ---- draws -----------------------------------------------------------------------------------------------------------


def test_styles_are_mixed_as_often_as_said_and_cut_uniformly():
    """At lod 1 there are four style layers; a cut at 4 leaves all of them to the first style."""
    config, steps = tiny_style_config(), 4000
    cutoffs = np.array([draws(config, 0, 3 + step, 1)["generator"].cutoff for step in range(steps)])
    assert set(cutoffs) == {1, 2, 3, 4}
    # 0.9/4 each, and at 4 what is not mixed besides; 5 standard errors
    for cutoff, share in ((1, 0.225), (2, 0.225), (3, 0.225), (4, 0.325)):
        assert abs((cutoffs == cutoff).mean() - share) < 5 * np.sqrt(share * (1 - share) / steps)


def test_only_adversarial_updates_mix_and_each_draws_its_own():
    given = draws(tiny_style_config(), 0, 4, 6)
    assert given["reciprocity"].mix is None
    arrays = [each.z for each in given.values()] + [given[name].mix for name in ("discriminator", "generator")]
    assert len({array.tobytes() for array in arrays}) == 5
    assert all(array.shape == (6, 5) and array.dtype == np.float32 for array in arrays)
    assert draws(tiny_style_config(networks__style_mixing=0.0), 0, 4, 6)["generator"].mix is None


def test_the_first_level_has_two_style_layers():
    cutoffs = {draws(tiny_style_config(), 0, 0, 1)["generator"].cutoff} | {
        draws(tiny_style_config(), seed, 1, 1)["discriminator"].cutoff for seed in range(40)
    }
    assert cutoffs == {1, 2}


# ---- configurations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"image": [8, 4, 2]}, "square images of 4, 8, 16, … pixels, but image is 8×4"),
        ({"image": [12, 12, 2]}, "square images of 4, 8, 16, … pixels, but image is 12×12"),
        ({"image": [2, 2, 2]}, "square images of 4, 8, 16, … pixels, but image is 2×2"),
        ({"image": [16, 16, 2]}, r"a level for each of 3 resolutions from 4×4 to 16×16, but holds 2"),
        ({"growth": None}, r"a level for each of 2 resolutions .* but holds none"),
        ({"labels": 3}, "labels is 3, but style networks take none"),
        ({"networks.startff": 3}, r"unknown key 'networks.startff'; did you mean 'networks.startf'\?"),
        ({"networks.encoder": "plane"}, "networks.encoder is 'plane'"),
        ({"networks.truncation_psi": 1.5}, "networks.truncation_psi is 1.5"),
        ({"networks.family": "styl"}, "networks.family is 'styl'"),
        ({"networks.hidden": [3]}, "unknown key 'networks.hidden'; keys here: family, z, w, startf"),
        ({"reciprocity": "z"}, "z has 5 numbers and w 7: make them equal"),
        ({"growth.restart": True}, r"did you mean 'growth.restart_adam'\?"),
        (
            {"growth.levels": [{"images": 3}, {"image": 3}]},
            r"unknown key 'growth.levels.1.image'; did you mean .*images'",
        ),
        ({"growth.levels": [{"images": 3}, {"images": 0}]}, r"growth.levels.1.images is 0: input should be greater"),
        ({"growth.levels": [{"images": 3}, {"images": 3, "fade": 2.0}]}, "growth.levels.1.fade is 2.0"),
        ({"growth.levels": [{"images": 3}, {}]}, "the key 'growth.levels.1.images' is missing"),
    ],
)
def test_a_mistake_in_a_style_configuration_is_named(overrides, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_config(TINY_STYLE, overrides)
    assert "\n" not in str(caught.value)


def test_perceptrons_do_not_grow_and_say_their_steps():
    levels = {"levels": [{"images": 3}]}
    with pytest.raises(ConfigError, match="growth is for style networks"):
        load_config("digits-mlp", overrides={"growth": levels})
    with pytest.raises(ConfigError, match=r"'training.steps' is missing: only a growth schedule says"):
        load_config("digits-mlp", overrides={"training.steps": None})
    with pytest.raises(ConfigError, match="are of the family mlp"):
        _ = tiny_config().style
