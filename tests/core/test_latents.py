"""Random numbers: the same bits for the same question, others for any other."""

import numpy as np
import pytest

from alae_core import ArgumentError, Update, updates_of
from alae_core.latents import (
    Draws,
    draws,
    noise_shapes,
    require_seed,
    sample_noise,
    sample_prior,
    stream,
    truncate,
)
from tests.conftest import tiny_config, tiny_style_config
from tests.tolerances import FLOAT32


def drawn(config, step, count):
    """What ALAE's updates draw under a configuration."""
    return draws(config, updates_of(config), step, count)


def test_the_prior_is_standard_normal():
    z = sample_prior(20_000, 10, seed=3)
    assert z.dtype == np.float32
    # 5 standard errors of the mean and of the variance of 200,000 draws
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)


def test_a_stream_is_a_function_of_seed_purpose_and_position():
    first = stream(1, "z/generator", 5).standard_normal(100)
    assert np.array_equal(first, stream(1, "z/generator", 5).standard_normal(100))
    for other in (stream(2, "z/generator", 5), stream(1, "z/reciprocity", 5), stream(1, "z/generator", 6)):
        assert not np.intersect1d(first, other.standard_normal(100)).size


def test_the_bits_have_not_changed_since_checkpoints_were_first_written():
    # Resuming depends on these: a NumPy that drew others would have to be refused.
    expected = np.array([0.78652024269104, 0.6933178901672363, -0.666799008846283], np.float32)
    assert np.array_equal(sample_prior(1, 3, seed=7, purpose="z/generator", position=11)[0], expected)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_no_stream_starts_from_is_refused(seed):
    with pytest.raises(ArgumentError, match=f"--seed is {seed}: it must lie in 0 … ") as caught:
        require_seed(seed, "--seed")
    assert caught.value.argument == "--seed"
    assert require_seed(2**63 - 1) == 2**63 - 1
    stream(2**63 - 1, "z/generator")


# ---- noise and truncation --------------------------------------------------------------------------------------------


def test_noise_has_a_map_for_each_layer():
    shapes = [(1, 4, 4, 1), (3, 4, 4, 1), (3, 8, 8, 1), (3, 8, 8, 1), (3, 16, 16, 1), (3, 16, 16, 1)]
    assert noise_shapes(2, 3) == shapes
    maps = sample_noise(2, 3, seed=1)
    assert [each.shape for each in maps] == shapes
    assert all(np.array_equal(one, other) for one, other in zip(maps, sample_noise(2, 3, seed=1), strict=True))
    numbers = np.concatenate([each.ravel() for seed in range(20) for each in sample_noise(2, 3, seed=seed)])
    assert len(np.unique(numbers)) > 0.999 * numbers.size
    assert abs(numbers.mean()) < 5 / np.sqrt(numbers.size)


def test_truncation_is_a_pull_to_the_mean_of_the_coarsest_layers():
    w, mean = np.array([[1.0, 3.0], [0.1, 0.7]], np.float32), np.array([-1.0, 1.0], np.float32)
    found = truncate(w, mean, 0.5, truncated=1, layers=3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], [[0, 2], [1, 3], [1, 3]], **FLOAT32)
    assert np.array_equal(truncate(w, mean, 1.0, truncated=3, layers=3), np.repeat(w[:, None], 3, axis=1))
    assert np.array_equal(truncate(w, mean, 0.0, truncated=2, layers=2), np.tile(mean, (2, 2, 1)))
    styles = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
    np.testing.assert_allclose(truncate(styles, mean, 0.5, truncated=2, layers=3)[:, :2], (styles[:, :2] + mean) / 2)
    assert np.array_equal(truncate(styles, mean, 0.5, truncated=2, layers=3)[:, 2], styles[:, 2])


# ---- what updates draw -----------------------------------------------------------------------------------------------


def test_every_update_step_and_seed_draws_its_own():
    given = [drawn(tiny_config(seed=seed), step, 6) for seed, step in ((0, 0), (0, 1), (1, 0))]
    arrays = [each.z for updates in given for each in updates.values()]
    assert [array.shape for array in arrays] == [(6, 5)] * 9
    assert len({array.tobytes() for array in arrays}) == 9
    assert all(each.mix is each.cutoff is each.noise is None for updates in given for each in updates.values())


def test_draws_are_the_streams_that_checkpoints_go_on_with():
    """Their names decide the bits: a run resumes only as long as they stay."""
    config = tiny_style_config(seed=3)
    for name, found in drawn(config, 4, 6).items():
        assert np.array_equal(found.z, stream(3, f"z/{name}", 4).standard_normal((6, 5), np.float32))
        if found.mix is not None:
            assert np.array_equal(found.mix, stream(3, f"mix/{name}", 4).standard_normal((6, 5), np.float32))
            choice = stream(3, f"cutoff/{name}", 4)
            assert found.cutoff == (choice.integers(1, 5) if choice.random() < 0.9 else 4)


def test_an_update_draws_only_what_it_says():
    config = tiny_style_config()
    plain, empty = (
        Update("generator", "G", None, {}, draws=names, moves_w_mean=False) for names in (("z", "noise"), ("noise",))
    )
    both = drawn(config, 4, 6)["generator"]
    assert both.mix is not None
    alone = draws(config, [plain], 4, 6)["generator"]
    assert np.array_equal(alone.z, both.z)
    assert (alone.mix, alone.cutoff) == (None, None)
    assert draws(config, [empty], 4, 6)["generator"] == Draws(None)


def test_styles_are_mixed_as_often_as_said_and_cut_uniformly():
    """At lod 1 there are four style layers; a cut at 4 leaves all of them to the first style."""
    config, steps = tiny_style_config(), 4000
    cutoffs = np.array([drawn(config, 3 + step, 1)["generator"].cutoff for step in range(steps)])
    assert set(cutoffs) == {1, 2, 3, 4}
    # 0.9/4 each, and at 4 what is not mixed besides; 5 standard errors
    for cutoff, share in ((1, 0.225), (2, 0.225), (3, 0.225), (4, 0.325)):
        assert abs((cutoffs == cutoff).mean() - share) < 5 * np.sqrt(share * (1 - share) / steps)


def test_only_adversarial_updates_mix_and_each_draws_its_own():
    given = drawn(tiny_style_config(), 4, 6)
    assert given["reciprocity"].mix is None
    arrays = [each.z for each in given.values()] + [given[name].mix for name in ("discriminator", "generator")]
    assert len({array.tobytes() for array in arrays}) == 5
    assert all(array.shape == (6, 5) and array.dtype == np.float32 for array in arrays)
    assert drawn(tiny_style_config(networks__style_mixing=0.0), 4, 6)["generator"].mix is None


def test_the_first_level_has_two_style_layers():
    cutoffs = {drawn(tiny_style_config(seed=seed), 1, 1)["discriminator"].cutoff for seed in range(40)}
    assert cutoffs == {1, 2}


# ---- what augmentation draws -----------------------------------------------------------------------------------------


def test_augmentation_has_streams_of_its_own_for_the_adversarial_updates():
    """Their names and order decide the bits, and nothing else that is drawn depends on them."""
    for config, augmenting in (
        (tiny_config(seed=3), tiny_config(seed=3, augment={"p": 0.4})),
        (tiny_style_config(seed=3), tiny_style_config(seed=3, augment={"target": 0.6})),
    ):
        plain, given = drawn(config, 4, 6), drawn(augmenting, 4, 6)
        assert all(each.augment is None for each in plain.values())
        assert given["reciprocity"].augment is None
        for name in ("discriminator", "generator"):
            expected = stream(3, f"augment/{name}", 4).random((6, 16), dtype=np.float32)
            assert np.array_equal(given[name].augment, expected)
        for name, each in given.items():
            for one, other in zip(each._replace(augment=None), plain[name], strict=True):
                assert np.array_equal(one, other)
