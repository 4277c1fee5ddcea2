"""Level, blend, pace and restarts as functions of the step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alae_core import ConfigError, View, load_config
from alae_core.config import make_config
from alae_core.growth import position, scheduled_steps
from tests.conftest import TINY_STYLE, tiny_config, tiny_style_config

#: 3 steps of 4 images; 8 steps of 6, the first 4 fading; 5 steps of 2, the first two and a half fading
LEVELS = [
    {"images": 12, "batch_size": 4, "learning_rate": 3e-3},
    {"images": 48},
    {"images": 9, "batch_size": 2, "fade": 5 / 9, "learning_rate": 2e-3},
]


def growing_config(**overrides):
    return tiny_style_config(image=[16, 16, 2], growth__levels=LEVELS, **overrides)


def test_a_run_steps_through_its_levels_and_stays_at_the_last():
    config = growing_config()
    places = [position(config, step) for step in range(40)]
    assert [place.stage.lod for place in places] == [0] * 3 + [1] * 8 + [2] * 29
    assert scheduled_steps(config) == 3 + 8 + 5
    assert [place.stage.batch_size for place in places[:17]] == [4] * 3 + [6] * 8 + [2] * 6
    assert [place.stage.adam.learning_rate for place in places[:17]] == [3e-3] * 3 + [1e-3] * 8 + [2e-3] * 6
    assert [step for step, place in enumerate(places) if place.restarts] == [3, 11]
    shown = np.cumsum([0, *(place.stage.batch_size for place in places)])
    assert [place.shown for place in places] == shown[:-1].tolist()
    for place in places:
        assert place.stage.average_decay == 0.5 ** (place.stage.batch_size / config.average_halflife)


def test_a_level_fades_in_over_its_fraction_of_the_images():
    config = growing_config()
    blends = [position(config, step).blend for step in range(17)]
    expected = [0.5 - 0.5 * np.cos(np.pi * progress) for progress in (0, 0.25, 0.5, 0.75)]
    np.testing.assert_allclose(blends[:3], 1)
    np.testing.assert_allclose(blends[3:7], expected)
    assert (blends[3], blends[5]) == (0, pytest.approx(0.5))
    assert blends[7:11] == [1] * 4
    np.testing.assert_allclose(blends[11:14], [0.5 - 0.5 * np.cos(np.pi * p) for p in (0, 0.4, 0.8)])
    assert blends[14:] == [1] * 3


def test_a_fade_of_zero_images_is_complete_at_once():
    config = tiny_style_config(growth__levels=[{"images": 6}, {"images": 12, "fade": 0.0}])
    assert [position(config, step).blend for step in range(4)] == [1, 1, 1, 1]


def test_adam_continues_if_configured():
    assert not any(position(growing_config(growth__restart_adam=False), step).restarts for step in range(20))


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
        assert place.view is None
    assert scheduled_steps(config) is None


def test_a_position_has_a_view():
    config = growing_config()
    for step in range(20):
        place = position(config, step)
        assert place.view == View(place.stage.lod, place.blend)


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
def test_mistakes_in_style_configurations_are_named(overrides, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_config(TINY_STYLE, overrides)
    assert "\n" not in str(caught.value)


def test_perceptrons_do_not_grow():
    levels = {"levels": [{"images": 3}]}
    with pytest.raises(ConfigError, match="growth is for style networks"):
        load_config("digits-mlp", overrides={"growth": levels})
    with pytest.raises(ConfigError, match="are of the family mlp"):
        _ = tiny_config().style
