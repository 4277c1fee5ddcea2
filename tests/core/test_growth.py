"""Level, blend, rates, learning rate, γ and restarts as functions of the step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alae_core import ConfigError, View, load_config
from alae_core.config import make_config
from alae_core.growth import Rates, count_shown, position, scheduled_steps
from tests.conftest import TINY_STYLE, tiny_config, tiny_conv_config, tiny_style_config
from tests.tolerances import ROUNDED

#: 3 steps of 4 images; 8 steps of 6, the first 4 fading; 5 steps of 2, the first two and a half fading
LEVELS = [
    {"images": 12, "batch_size": 4, "learning_rate": 3e-3},
    {"images": 48},
    {"images": 9, "batch_size": 2, "fade": 5 / 9, "learning_rate": 2e-3},
]


def growing_config(**overrides):
    return tiny_style_config(image=[16, 16, 2], **{"growth__levels": LEVELS} | overrides)


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


def test_training_starts_at_a_level():
    config = growing_config(growth__from_level=1)
    whole = growing_config()
    assert scheduled_steps(config) == 8 + 5
    for step in range(20):
        here, there = position(config, step), position(whole, step + 3)
        assert here == there._replace(shown=there.shown - 12)
    with pytest.raises(ConfigError, match=r"growth.from_level is 3, but the levels are 0 … 2"):
        growing_config(growth__from_level=3)


@pytest.mark.parametrize(
    ("step", "counts"), [(0, (0, 0, 0)), (2, (8, 0, 0)), (3, (12, 0, 0)), (10, (12, 42, 0)), (17, (12, 48, 12))]
)
def test_images_are_counted_at_each_level(step, counts):
    assert count_shown(growing_config(), step) == counts
    assert position(growing_config(), step).shown == sum(counts)


def with_batches(config, sizes, step):
    """`config` with other batch sizes from a step on, as `--resume RUN --set` makes it."""
    levels = [{**level, "batch_size": size} for level, size in zip(LEVELS, sizes, strict=True)]
    resumed = {"step": step, "shown": list(count_shown(config, step))}
    return growing_config(growth__levels=levels, resumed=resumed)


def test_a_run_continues_at_the_same_images_with_other_batch_sizes():
    config = growing_config()
    # After 7 steps, 24 of the 48 images of the second level were shown, all that fade in.
    for sizes, lengths in (((4, 3, 2), (3, 4 + 8, 5)), ((8, 5, 2), (3, 4 + 5, 5)), ((1, 24, 9), (3, 4 + 1, 1))):
        other = with_batches(config, sizes, 7)
        same = position(config, 7)
        assert position(other, 7)._replace(stage=None) == same._replace(stage=None)
        ends = np.cumsum(lengths)
        places = [position(other, step) for step in range(7, ends[-1] + 3)]
        assert [place.stage.lod for place in places] == [1] * (ends[1] - 7) + [2] * (lengths[2] + 3)
        assert scheduled_steps(other) == ends[-1]
        shown = np.cumsum([same.shown, *(place.stage.batch_size for place in places)])
        assert [place.shown for place in places] == shown[:-1].tolist()
        assert [step for step, place in enumerate(places, 7) if place.restarts] == [ends[1]]


def test_a_level_that_is_fading_in_continues_at_its_blend():
    config = growing_config()
    blends = [position(with_batches(config, (4, 3, 2), 5), step).blend for step in range(5, 10)]
    np.testing.assert_allclose(blends, [0.5 - 0.5 * np.cos(np.pi * p) for p in (0.5, 0.625, 0.75, 0.875, 1)])


def test_networks_without_levels_count_images_from_where_batch_sizes_changed():
    config = tiny_config(batch_size=3, resumed={"step": 4, "shown": [24]})
    assert [position(config, step).shown for step in (4, 5, 9)] == [24, 27, 39]
    assert make_config(config.data()) == config, "a checkpoint records it"
    assert "resumed" not in tiny_config().data()


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


# ---- learning rate, γ and averages ----------------------------------------------------------------------------------


def all_rates(config, count):
    return [position(config, step).rates for step in range(count)]


def test_without_a_schedule_nothing_changes_from_step_to_step():
    for config in (tiny_config(), tiny_conv_config(), growing_config()):
        assert set(all_rates(config, 20)) == {Rates(None, None, None)}


def test_a_schedule_is_constant_and_then_half_a_cosine():
    """20 steps of 6 images; constant for 8 of them, then half a cosine over 12."""
    choice = {"images": 120, "constant": 0.4, "rate_end": 0.25, "r1_gamma_end": 2.0}
    found = all_rates(tiny_config(schedule=choice, r1_gamma=10.0), 30)
    progress = np.clip((np.arange(30) - 8) / 12, 0, 1)
    rates = [1 - 0.75 * (1 - np.cos(np.pi * u)) / 2 for u in progress]
    gammas = [10 - 8 * (1 - np.cos(np.pi * u)) / 2 for u in progress]
    np.testing.assert_allclose([each.rate for each in found], rates, **ROUNDED)
    np.testing.assert_allclose([each.r1_gamma for each in found], gammas, **ROUNDED)
    assert {each.rate for each in found[:9]} == {1.0}
    assert {each.rate for each in found[20:]} == {0.25}
    assert found[14].rate == pytest.approx((1 + 0.25) / 2), "half way, half of the change"
    assert {each.average_decay for each in found} == {None}


def test_a_schedule_may_change_one_value_only():
    for choice, changing in (({"rate_end": 0.5}, "rate"), ({"r1_gamma_end": 0.0}, "r1_gamma")):
        rates = position(tiny_config(schedule={"images": 60, **choice}), 9).rates
        assert [name for name, value in rates._asdict().items() if value is not None] == [changing]


def test_a_schedule_of_no_length_changes_nothing():
    assert set(all_rates(tiny_config(schedule={"rate_end": 0.5}), 20)) == {Rates(None, None, None)}


def test_a_schedule_counts_images_across_levels():
    config = growing_config(schedule={"images": 100, "constant": 0.0, "rate_end": 0.5})
    for step in range(20):
        place = position(config, step)
        expected = 1 - 0.5 * (1 - np.cos(np.pi * min(1, place.shown / 100))) / 2
        np.testing.assert_allclose(place.rates.rate, expected, **ROUNDED)
    assert position(config, 5).stage.adam.learning_rate == 1e-3, "the stage, which is compiled, stays the same"


def test_the_half_life_of_averages_is_at_most_a_fraction_of_the_images_shown():
    config = tiny_config(average_halflife=30.0, average_warmup=0.5)
    found = [each.average_decay for each in all_rates(config, 20)]
    assert found[0] == 0, "the first average is the weight itself"
    halflives = np.minimum(30, 0.5 * 6 * np.arange(1, 20))
    np.testing.assert_allclose(found[1:], 0.5 ** (6 / halflives), **ROUNDED)
    # From step 10 on, half of the 60 images shown is the half-life itself.
    assert set(found[10:]) == {position(config, 0).stage.average_decay}


def test_average_warmup_uses_the_batch_size_of_each_level():
    config = growing_config(average_halflife=1000.0, average_warmup=0.25)
    for step in range(1, 20):
        place = position(config, step)
        expected = 0.5 ** (place.stage.batch_size / (0.25 * place.shown))
        np.testing.assert_allclose(place.rates.average_decay, expected, **ROUNDED)


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.floats(0, 0.999), st.floats(0.001, 10), st.floats(0, 0.999))
def test_paces_stay_between_their_ends(step, images, constant, end, warmup):
    choice = {"images": images, "constant": constant, "rate_end": end, "r1_gamma_end": 3.0}
    rates = position(tiny_config(schedule=choice, r1_gamma=1.0, average_warmup=warmup), step).rates
    if end != 1:
        assert min(1, end) * (1 - 1e-12) <= rates.rate <= max(1, end) * (1 + 1e-12)
    assert 1 <= rates.r1_gamma <= 3
    assert (rates.average_decay is None) == (warmup == 0)
    assert warmup == 0 or 0 <= rates.average_decay < 1


# ---- configurations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"image": [8, 4, 2]}, "square images of 4, 8, 16, … pixels, but image is 8×4"),
        ({"image": [12, 12, 2]}, "square images of 4, 8, 16, … pixels, but image is 12×12"),
        ({"image": [2, 2, 2]}, "square images of 4, 8, 16, … pixels, but image is 2×2"),
        ({"image": [16, 16, 2]}, r"a level for each of 3 resolutions from 4×4 to 16×16, but holds 2"),
        ({"growth": None}, r"a level for each of 2 resolutions .* but holds none"),
        (
            {"labels": 3, "algorithm": "vae", "networks.z": 7},
            "labels is 3, which F and D of style networks take, but the algorithm vae does not train both: set",
        ),
        ({"networks.startff": 3}, r"unknown key 'networks.startff'; did you mean 'networks.startf'\?"),
        ({"networks.encoder": "plane"}, "networks.encoder is 'plane'"),
        ({"networks.truncation_psi": 1.5}, "networks.truncation_psi is 1.5"),
        ({"networks.family": "styl"}, r"no family 'styl'; did you mean 'style'\?; families: mlp, conv, style"),
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


def test_perceptrons_and_conv_networks_do_not_grow():
    levels = {"levels": [{"images": 3}]}
    with pytest.raises(ConfigError, match="growth is for style networks: mlp networks have one level of detail"):
        load_config("digits-mlp", overrides={"growth": levels})
    with pytest.raises(ConfigError, match="growth is for style networks: conv networks have one level of detail"):
        tiny_conv_config(growth=levels)
    with pytest.raises(ConfigError, match="are of the family mlp"):
        _ = tiny_config().style
