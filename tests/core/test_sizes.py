"""Counts of weights equal those of built networks; configurations that need too much memory are refused."""

from math import prod

import numpy as np
import pytest

from alae_core import ConfigError, build, load_config, preset_names
from alae_core.networks import specs
from alae_core.sizes import batch_sizes, count_weights, find_memory, largest_layers, require_room
from tests.conftest import tiny_config, tiny_conv_config, tiny_style_config

pytestmark = pytest.mark.each_backend

PLAIN = {"networks__encoder": "plain", "networks__discriminator": "images"}
BASELINES = ("autoencoder", "vae", "bigan")
CONFIGS = {
    **{name: lambda name=name: load_config(name) for name in preset_names()},
    "tiny": tiny_config,
    "labels": lambda: tiny_config(labels=3),
    "conv": lambda: tiny_conv_config(labels=3),
    "style": tiny_style_config,
    "style with labels": lambda: tiny_style_config(labels=3),
    "plain": lambda: tiny_style_config(**PLAIN, labels=3),
    **{name: lambda name=name: tiny_config(algorithm=name, networks__z=6, networks__w=6) for name in BASELINES},
    **{f"{name} of styles": lambda name=name: tiny_style_config(algorithm=name, networks__z=7) for name in BASELINES},
    "one level": lambda: tiny_style_config(image=[4, 4, 3], growth={"levels": [{"images": 8}]}, **PLAIN),
}


class Zeros:
    """Replaces random numbers, which take minutes to draw for a large model."""

    def standard_normal(self, shape):
        return np.zeros(shape, np.float32)

    def uniform(self, low, high, shape):
        return np.zeros(shape, np.float32)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_count_equals_that_of_the_built_networks(backend, monkeypatch, name):
    monkeypatch.setattr(specs, "stream", lambda seed, purpose: Zeros())
    config = CONFIGS[name]()
    built = build(config).networks
    assert count_weights(config) == {
        name: sum(prod(v.shape) for v in network.weights) for name, network in built.items()
    }


@pytest.mark.parametrize("name", preset_names())
def test_presets_fit_in_memory(name):
    require_room(load_config(name), training=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks.w": 10**9}, "GB, most of it for 1,026,000,182,081 weights, their averages and moments, but"),
        ({"networks.F.hidden": [10**6] * 100}, "for 99,000,228,214,721 weights"),
        ({"image": [10**6, 10**6, 3]}, "GB, most of it for 1,5"),
        (
            {"batch_size": 10**12},
            "1,024,000.0 GB, most of it for a batch of 1,000,000,000,000 images, but this machine has",
        ),
    ],
)
def test_too_large_configurations_are_refused_with_both_sizes(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        require_room(load_config("digits-mlp", changes), training=True)
    assert f"this machine has {find_memory() / 1e9:,.1f} GB of memory: make" in str(caught.value)


def test_the_batch_of_each_level_is_checked():
    with pytest.raises(ConfigError, match="for a batch of 1,000,000,000,000 images"):
        require_room(load_config("digits-style", {"growth.levels.0.batch_size": 10**12}), training=True)


def test_a_batch_is_counted_at_its_largest_layer():
    assert batch_sizes(tiny_config(batch_size=9)) == [(9, 4 * 3 * 2)]
    assert batch_sizes(tiny_config(batch_size=9, networks__E__hidden=[5, 100])) == [(9, 100)]
    assert batch_sizes(tiny_conv_config(batch_size=9)) == [(9, 8 * 10 * 3)]
    assert batch_sizes(tiny_conv_config(batch_size=9, image=[8, 10, 5])) == [(9, 8 * 10 * 5)]
    assert batch_sizes(tiny_conv_config(batch_size=9, networks__widths=[100, 3])) == [(9, 4 * 5 * 100)]
    assert batch_sizes(tiny_style_config()) == [(4, 16 * 5), (6, 64 * 3)]


def test_inference_needs_only_the_weights(monkeypatch):
    config = load_config("digits-mlp", {"batch_size": 10**6})
    monkeypatch.setattr("alae_core.sizes.find_memory", lambda: 4 * sum(count_weights(config).values()))
    require_room(config)
    with pytest.raises(ConfigError, match="for a batch of 1,000,000 images"):
        require_room(config, training=True)


def test_a_model_too_large_for_memory_is_not_built_unless_the_memory_is_unknown(monkeypatch):
    with pytest.raises(ConfigError, match="the configuration needs at least"):
        build(load_config("digits-mlp", {"networks.w": 10**9}))
    monkeypatch.setattr("alae_core.sizes.find_memory", lambda: None)
    require_room(load_config("digits-mlp", {"networks.w": 10**9}), training=True)


def test_levels_before_the_first_one_have_layers_but_no_batches():
    growth = tiny_style_config().growth.model_dump() | {"from_level": 1}
    config = tiny_style_config(growth=growth)
    assert len(largest_layers(config)) == config.lods
    assert batch_sizes(config) == batch_sizes(tiny_style_config())[1:]
    assert [numbers for _, numbers in batch_sizes(config)] == largest_layers(config)[1:]
