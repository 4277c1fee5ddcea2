"""The two errors that a run is watched by: their formulas, and that large images never lie in memory all at once."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.data.images import DataSet, Images, to_float
from alae_workbench.evaluation.errors import reciprocity_error, reconstruction_error
from alae_workbench.evaluation.nearest import nearest_neighbour_accuracies
from tests.conftest import tiny_config, tiny_style_config
from tests.tolerances import FLOAT32

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 2), np.uint8)


def pooled(x):
    return x.reshape(len(x), 4, 2, 4, 2, 2).mean((2, 4))


@pytest.fixture
def seen(monkeypatch):
    """How many images each call of G and E was given; at most three fit at a time."""
    monkeypatch.setattr("alae_core.model._CHUNK", 3)
    counts = []
    for method in ("generate", "encode"):
        whole = getattr(alae.Alae, method)

        def counted(self, given, *args, whole=whole, **choices):
            counts.append(len(given))
            return whole(self, given, *args, **choices)

        monkeypatch.setattr(alae.Alae, method, counted)
    return counts


@pytest.mark.parametrize("lod", [0, 1])
def test_errors_of_a_style_model_are_their_formulas_part_by_part(backend, seen, lod):
    model = alae.build(tiny_style_config(), seed=3)
    z, x = model.sample_prior(8, seed=0), to_float(PIXELS)
    w, x = model.map(z).astype(np.float64), pooled(x) if lod == 0 else x
    again = model.encode(model.generate(w, lod, noise="zero"), lod)
    expected = np.square(w - again).sum(1).mean() / w.var(0).sum()
    reconstruction = np.square(x - model.reconstruct(x, lod, noise="zero").astype(np.float64)).mean()
    seen.clear()
    np.testing.assert_allclose(reciprocity_error(model, 8, lod), expected, **FLOAT32)
    np.testing.assert_allclose(reconstruction_error(model, Images(PIXELS), lod), reconstruction, **FLOAT32)
    assert max(seen) == 3


def test_labels_stay_with_their_images(backend, seen):
    model = alae.build(tiny_config(image=[8, 8, 2], labels=3), seed=1)
    labels = np.arange(7) % 3
    x = to_float(PIXELS)
    expected = np.square(x - model.reconstruct(x, labels=labels)).mean()
    seen.clear()
    np.testing.assert_allclose(reconstruction_error(model, Images(PIXELS, labels)), expected, **FLOAT32)
    whole = reciprocity_error(model, 8)
    assert max(seen) == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alae_core.model._CHUNK", 512)
        np.testing.assert_allclose(reciprocity_error(model, 8), whole, **FLOAT32)


def test_neighbours_are_encoded_part_by_part(backend, seen):
    model = alae.build(tiny_style_config())
    images = Images(PIXELS, np.arange(7))
    found = nearest_neighbour_accuracies(model, DataSet(images, images, skipped=0), lod=1)
    assert found == {"w": 1.0, "pixels": 1.0}, "each image is its own neighbour"
    assert max(seen) == 3
