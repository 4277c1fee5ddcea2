"""Which weights of another run fit a model, and the state that training starts from."""

import numpy as np
import pytest

from alae_core import CheckpointError
from alae_core.networks.layout import layout
from alae_core.transfer import match_weights, require_match, take_over
from tests.conftest import tiny_config, tiny_conv_config, tiny_style_config

LEVELS = [{"images": 12}, {"images": 12}, {"images": 12}]


def make_state(config, seed, w_mean=True):
    """A state with random weights and averages, one moment, and a step."""
    draw = np.random.default_rng(seed)
    state = {"step": np.array(9), "adam/generator/F/t": np.array(3)}
    for group in ("weights", "averages"):
        state |= {
            f"{group}/{name}": draw.normal(size=spec.shape).astype(np.float32) for name, spec in layout(config).items()
        }
    return state | ({"w_mean": np.full(config.networks.w, 2.0, np.float32)} if w_mean else {})


def shapes_of(config):
    return {name: spec.shape for name, spec in layout(config).items()}


def match(source, config, state=None):
    return match_weights(state or make_state(source, 0), source, config, shapes_of(config))


def test_weights_averages_and_mean_are_taken_over_and_the_optimizer_is_fresh():
    config = tiny_style_config()
    state, initial = make_state(config, 0), make_state(config, 1) | {"step": np.array(0)}
    found = match_weights(state, config, config, shapes_of(config) | {"w_mean": (7,)})
    assert (found.fresh, found.misfits) == ([], [])
    new = take_over(state, config, config, initial, found)
    assert new.keys() == initial.keys()
    for name, array in new.items():
        own = name == "step" or name.startswith("adam/")
        assert np.array_equal(array, (initial if own else state)[name]), name


def test_an_exported_run_gives_its_averages():
    config = tiny_config()
    state = {name: array for name, array in make_state(config, 0).items() if not name.startswith(("weights/", "adam/"))}
    new = take_over(state, config, config, make_state(config, 1), match(config, config, state))
    assert all(np.array_equal(new[f"weights/{name}"], state[f"averages/{name}"]) for name in layout(config))


def test_style_networks_keep_their_coarse_levels_when_they_grow_or_are_cut():
    """The number of feature maps at the finest level is halved when one is added, so that coarse levels keep theirs."""
    small = tiny_style_config(networks__startf=4, networks__maxf=16)
    large = tiny_style_config(networks__startf=2, networks__maxf=16, image=[16, 16, 2], growth__levels=LEVELS)
    grown, cut = match(small, large), match(large, small)
    assert (grown.misfits, cut.misfits) == ([], [])
    assert set(grown.taken) == set(cut.taken) == layout(small).keys()
    assert set(grown.fresh) == layout(large).keys() - layout(small).keys()
    assert "G/block2/conv1/kernel" in grown.fresh
    assert cut.fresh == []


def test_misfits_are_listed_with_both_shapes():
    source, config = tiny_conv_config(), tiny_conv_config(networks__widths=[4, 5], networks__D__hidden=[12, 12])
    found = match(source, config)
    assert "G.conv0.kernel: (3, 3, 4, 3) there, (3, 3, 4, 5) here" in found.misfits
    assert "D.dense2.kernel: absent there, (12, 1) here" in found.misfits
    assert "D.dense2.kernel: (12, 1) there, absent here" in match(config, source).misfits
    with pytest.raises(CheckpointError, match=r"^7 weights of runs/a do not fit.*; and 1 more\); --partial starts"):
        require_match(found, "runs/a")
    initial = make_state(config, 1, w_mean=False)
    new = take_over(make_state(source, 0), source, config, initial, found)
    assert np.array_equal(new["weights/D/dense2/kernel"], initial["weights/D/dense2/kernel"])


def test_weights_that_are_scaled_differently_keep_their_effect():
    source, config = tiny_config(), tiny_config(networks__equalized=True, networks__F__lrmul=0.1)
    state = make_state(source, 0)
    new = take_over(state, source, config, make_state(config, 1), match(source, config))
    for name, spec in layout(config).items():
        for group in ("weights", "averages"):
            assert new[f"{group}/{name}"].dtype == np.float32
            np.testing.assert_allclose(new[f"{group}/{name}"] * spec.scale, state[f"{group}/{name}"], rtol=1e-6)
    assert layout(config)["F/dense0/bias"].scale == 0.1
