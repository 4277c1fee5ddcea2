"""The draws of updates."""

import numpy as np
import pytest

from alae_core import Update, updates_of
from alae_core.draws import Draws, draw
from alae_core.streams import stream
from tests.conftest import tiny_config, tiny_style_config

pytestmark = pytest.mark.each_backend


def draw_all(config, step, count):
    """Return the draws of ALAE's updates."""
    return draw(config, updates_of(config), step, count)


def test_draws_differ_between_updates_steps_and_seeds():
    given = [draw_all(tiny_config(seed=seed), step, 6) for seed, step in ((0, 0), (0, 1), (1, 0))]
    arrays = [each.z for updates in given for each in updates.values()]
    assert [array.shape for array in arrays] == [(6, 5)] * 9
    assert len({array.tobytes() for array in arrays}) == 9
    assert all(each.mix is each.cutoff is each.noise is None for updates in given for each in updates.values())


def test_draws_come_from_the_streams_that_checkpoints_depend_on():
    """The streams' names decide the bits, so they must not change, or runs could not resume."""
    config = tiny_style_config(seed=3)
    for name, found in draw_all(config, 4, 6).items():
        assert np.array_equal(found.z, stream(3, f"z/{name}", 4).standard_normal((6, 5), np.float32))
        if found.mix is not None:
            assert np.array_equal(found.mix, stream(3, f"mix/{name}", 4).standard_normal((6, 5), np.float32))
            choice = stream(3, f"cutoff/{name}", 4)
            assert found.cutoff == (choice.integers(1, 5) if choice.random() < 0.9 else 4)


def test_an_update_draws_only_its_kinds():
    config = tiny_style_config()
    plain, empty = (
        Update("generator", "G", None, {}, draws=names, moves_w_mean=False) for names in (("z", "noise"), ("noise",))
    )
    both = draw_all(config, 4, 6)["generator"]
    assert both.mix is not None
    alone = draw(config, [plain], 4, 6)["generator"]
    assert np.array_equal(alone.z, both.z)
    assert (alone.mix, alone.cutoff) == (None, None)
    assert draw(config, [empty], 4, 6)["generator"] == Draws(None)


def test_styles_are_mixed_at_the_configured_rate_with_uniform_cutoffs():
    """At lod 1 there are four style layers; with a cutoff of 4 all have the first style."""
    config, steps = tiny_style_config(), 4000
    cutoffs = np.array([draw_all(config, 3 + step, 1)["generator"].cutoff for step in range(steps)])
    assert set(cutoffs) == {1, 2, 3, 4}
    # 0.9/4 each, plus the unmixed batches at 4; 5 standard errors
    for cutoff, share in ((1, 0.225), (2, 0.225), (3, 0.225), (4, 0.325)):
        assert abs((cutoffs == cutoff).mean() - share) < 5 * np.sqrt(share * (1 - share) / steps)


def test_only_adversarial_updates_mix_styles():
    given = draw_all(tiny_style_config(), 4, 6)
    assert given["reciprocity"].mix is None
    arrays = [each.z for each in given.values()] + [given[name].mix for name in ("discriminator", "generator")]
    assert len({array.tobytes() for array in arrays}) == 5
    assert all(array.shape == (6, 5) and array.dtype == np.float32 for array in arrays)
    assert draw_all(tiny_style_config(networks__style_mixing=0.0), 4, 6)["generator"].mix is None


def test_the_first_level_has_two_style_layers():
    cutoffs = {draw_all(tiny_style_config(seed=seed), 1, 1)["discriminator"].cutoff for seed in range(40)}
    assert cutoffs == {1, 2}


# ---- augmentation ----------------------------------------------------------------------------------------------------


def test_augmentation_has_its_own_streams():
    """The streams' names and order decide the bits; other draws do not depend on them."""
    for config, augmenting in (
        (tiny_config(seed=3), tiny_config(seed=3, augment={"p": 0.4})),
        (tiny_style_config(seed=3), tiny_style_config(seed=3, augment={"target": 0.6})),
    ):
        plain, given = draw_all(config, 4, 6), draw_all(augmenting, 4, 6)
        assert all(each.augment is None for each in plain.values())
        assert given["reciprocity"].augment is None
        for name in ("discriminator", "generator"):
            expected = stream(3, f"augment/{name}", 4).random((6, 16), dtype=np.float32)
            assert np.array_equal(given[name].augment, expected)
        for name, each in given.items():
            for one, other in zip(each._replace(augment=None), plain[name], strict=True):
                assert np.array_equal(one, other)
