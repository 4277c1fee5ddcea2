"""Networks of Keras' own layers: names and initial weights that each build repeats, and weights that are refused."""

import keras
import numpy as np
import pytest

import alae_core as alae
from alae_core.algorithms import ALGORITHMS, Algorithm
from tests.conftest import tiny_config

pytestmark = pytest.mark.each_backend


def build_dense(config, name):
    x = keras.Input((config.networks.w,))
    return keras.Model(x, keras.layers.Dense(3)(keras.layers.Dense(4)(x)))


def build_normalized(config, name):
    x = keras.Input((config.networks.w,))
    return keras.Model(x, keras.layers.BatchNormalization()(x))


def build_nothing(config, name):
    return None


def build(monkeypatch, function, **overrides):
    algorithm = Algorithm({"G": "G", "E": "E", "H": function}, "tests.helpers.algorithms:pixels_updates")
    monkeypatch.setitem(ALGORITHMS, "extra", algorithm)
    return alae.build(tiny_config(algorithm="extra", **overrides))


@pytest.mark.parametrize("seed", [0, 1])
def test_each_build_has_the_same_names_and_initial_weights(backend, monkeypatch, seed):
    first, second = (build(monkeypatch, build_dense, seed=seed).weights() for _ in range(2))
    assert [name for name in first if name.startswith("H/")] == [
        f"H/{layer}/{weight}" for layer in ("dense", "dense_1") for weight in ("kernel", "bias")
    ]
    for name, weight in first.items():
        np.testing.assert_array_equal(weight, second[name])
    other = build(monkeypatch, build_dense, seed=seed + 1).weights()
    assert np.abs(first["H/dense/kernel"] - other["H/dense/kernel"]).max() > 0.01


def test_weights_that_are_not_trained_are_refused(backend, monkeypatch):
    with pytest.raises(alae.AlaeError, match=r"the network H has weights that are not trained, such as .*moving_mean"):
        build(monkeypatch, build_normalized)


def test_a_function_that_makes_no_network_is_refused(backend, monkeypatch):
    with pytest.raises(alae.AlaeError, match="the network H is None: it must be a Keras model"):
        build(monkeypatch, build_nothing)
