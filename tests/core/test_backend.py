"""The members of every backend: devices, losses that are read on access, a short repr."""

import os

import keras
import pytest

import alae_core as alae

pytestmark = pytest.mark.each_backend


def test_an_absent_device_is_refused_listing_the_devices():
    with pytest.raises(alae.BackendError, match=r"has no device 'gpu:77'; it has .*cpu"):
        alae.load_backend(os.environ["KERAS_BACKEND"], device="gpu:77")


def test_the_device_can_be_chosen(backend):
    chosen = alae.load_backend(backend.name, device="cpu")
    assert "cpu" in chosen.device
    assert chosen.device in chosen.devices() or f"{chosen.device}:0" in chosen.devices()


def test_losses_are_read_on_access():
    class Scalar:
        def __float__(self):
            return 2.5

    losses = alae.Losses({"generator": Scalar()})
    assert dict(losses) == {"generator": 2.5}


def test_newer_losses_replace_older_ones_without_being_read():
    class Unread:
        def __float__(self):
            pytest.fail("a loss was read")

    joined = alae.Losses({"generator": Unread(), "pixels": 3}) | alae.Losses({"generator": 1, "discriminator": 2})
    assert dict(joined) == {"generator": 1.0, "pixels": 3.0, "discriminator": 2.0}


def test_a_backend_has_a_one_line_repr(backend):
    assert repr(backend).startswith(f"<backend {backend.name} on {backend.device}: keras {keras.__version__}, ")
    assert "\n" not in repr(backend)
