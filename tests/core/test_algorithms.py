"""The table of algorithms: its rows are valid, and rows of third parties work like alae's own."""

import subprocess
import sys

import keras
import pytest

import alae_core as alae
from alae_core.algorithms import ALGORITHMS, Algorithm
from alae_core.sizes import count_weights
from tests.conftest import tiny_config
from tests.helpers.algorithms import register

pytestmark = pytest.mark.each_backend


def build_extra(config, name):
    """Return a network of its own shape: one dense layer from w to 3 numbers."""
    x = keras.Input((config.networks.w,), dtype=config.dtype)
    return keras.Model(x, keras.layers.Dense(3, name="dense", dtype=config.dtype)(x), name=name)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_row_builds_the_networks_that_its_updates_train(backend, name):
    model = alae.build(tiny_config(algorithm=name, networks__z=6, networks__w=6))
    assert list(model.networks) == list(ALGORITHMS[name].networks)
    assert {network for update in model.updates for network in update.trains} <= set(model.networks)


def test_the_weights_of_a_third_partys_algorithm_are_counted(backend, monkeypatch):
    register(monkeypatch)
    config = tiny_config(algorithm="pixels")
    counts = count_weights(config)
    assert counts == {name: alae.build(config).networks[name].count_params() for name in "GE"}
    assert all(counts.values())


def test_an_algorithm_can_define_its_own_network_shape(backend, monkeypatch):
    networks = {"G": "G", "E": "E", "H": "tests.core.test_algorithms:build_extra"}
    monkeypatch.setitem(ALGORITHMS, "extra", Algorithm(networks, "tests.helpers.algorithms:pixels_updates"))
    config = tiny_config(algorithm="extra")
    model = alae.build(config)
    assert {name: v.shape for name, v in model.variables.items() if name.startswith("H/")} == {
        "H/dense/kernel": (7, 3),
        "H/dense/bias": (3,),
    }
    assert set(count_weights(config)) == {"G", "E"}


def test_the_table_is_read_without_keras():
    code = "import sys, alae_core.algorithms, alae_core.config; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
