"""Data sets with a name."""

import subprocess
import sys

import numpy as np
import pytest

from alae_core import load_config
from alae_workbench.data.builtin import needs_keras
from alae_workbench.data.load import load_data
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import make_config


def test_digits_are_split_the_same_way_for_every_seed():
    data = load_data("digits", make_config(), held_out=360)
    again = load_data("digits", make_config(seed=9), held_out=360)
    assert (len(data.train), len(data.held_out)) == (1437, 360)
    train, held_out = read_all(data.train), read_all(data.held_out)
    assert train.shape == (1437, *data.train.shape) == (1437, 8, 8, 1)
    assert (train.min(), train.max()) == (0, 255)
    assert np.array_equal(held_out, read_all(again.held_out))
    assert data.fingerprint == again.fingerprint
    rows = {image.tobytes() for image in train}
    assert not any(image.tobytes() in rows for image in held_out)


def test_the_error_about_a_failed_download_names_the_cache_and_alternatives(monkeypatch, tmp_path):
    import keras

    def fail():
        raise Exception("URL fetch failure on …: None -- offline")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(DataError, match="mnist cannot be read: URL fetch failure") as caught:
        load_data("mnist", load_config("mnist-mlp"), held_out=1)
    assert str(tmp_path / "datasets" / "mnist.npz") in str(caught.value)
    assert "the built-in digits" in str(caught.value)


def test_only_keras_data_sets_import_keras():
    names = ["digits", "mnist", "fashion_mnist", "cifar10", "a/folder"]
    assert [name for name in names if needs_keras(name)] == ["mnist", "fashion_mnist", "cifar10"]
    code = (
        "import sys; from alae_core import load_config; from alae_workbench.data.load import load_data\n"
        "load_data('digits', load_config('digits-mlp'), held_out=5)\n"
        "print({'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
