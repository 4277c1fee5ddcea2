"""Fixtures for tests of measures."""

import pytest

import alae_core as alae
from tests.conftest import tiny_config
from tests.helpers.lpips_weights import random_weights


@pytest.fixture
def model(backend):
    return alae.build(tiny_config(seed=1))


@pytest.fixture
def batch_sizes(monkeypatch):
    """The number of images in each call of G, E or `as_seen`, when at most three fit at a time."""
    monkeypatch.setattr("alae_core.model._CHUNK", 3)
    counts = []
    for name in ("reconstruct", "encode", "as_seen"):
        method = getattr(alae.Alae, name)

        def count(self, images, *args, method=method, **options):
            counts.append(len(images))
            return method(self, images, *args, **options)

        monkeypatch.setattr(alae.Alae, name, count)
    return counts


@pytest.fixture(scope="module")
def lpips_folder(tmp_path_factory):
    """A folder with random weights of LPIPS, which `lpips_networks` accepts."""
    with random_weights(tmp_path_factory.mktemp("weights")) as folder:
        yield folder
