"""Finding and loading plug-ins: what is missing is named, with what would bring it."""

import os
from importlib.metadata import EntryPoint

import pytest

import alae_core as alae
from alae_core import backend as contract


def test_alaes_own_plugins_are_registered():
    assert list(alae.installed_backends())[:3] == ["jax", "torch", "tensorflow"]


def test_an_unknown_backend_names_those_there_are():
    with pytest.raises(alae.BackendError, match=r"no backend .tpu.; installed plug-ins: jax, torch, tensorflow"):
        alae.load_backend("tpu")


def test_keras_cannot_change_framework_within_a_process(backend):
    other = "torch" if backend.name != "torch" else "jax"
    with pytest.raises(alae.BackendError, match=f"needs Keras on {other}, but it already runs on {backend.name}"):
        alae.load_backend(other)


def test_a_missing_framework_names_the_install(monkeypatch):
    broken = EntryPoint("jax", "a_framework_that_is_not_there:Backend", contract.GROUP)
    monkeypatch.setattr(contract, "installed_backends", lambda: {"jax": broken})
    with pytest.raises(alae.BackendError, match=r"not installed: pip install 'alae\[jax\]'"):
        alae.load_backend("jax")


def test_an_absent_device_names_those_there_are():
    with pytest.raises(alae.BackendError, match=r"sees no device 'gpu:77'; it sees .*cpu"):
        alae.load_backend(os.environ["KERAS_BACKEND"], device="gpu:77")


def test_the_device_can_be_chosen(backend):
    chosen = alae.load_backend(backend.name, device="cpu")
    assert "cpu" in chosen.device
    assert chosen.device in chosen.devices() or f"{chosen.device}:0" in chosen.devices()


def test_losses_are_read_when_asked_for():
    class Scalar:
        def __float__(self):
            return 2.5

    losses = alae.Losses({"generator": Scalar()})
    assert dict(losses) == {"generator": 2.5}
