"""Reciprocity and reconstruction errors against their formulas, in batches."""

import numpy as np
import pytest

import alae_core as alae
from alae_core import View
from alae_core.images import to_float
from alae_core.streams import stream
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.measures.loop_error import (
    reciprocity_error,
    reciprocity_error_details,
    reconstruction_error,
)
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_config, tiny_style_config
from tests.tolerances import FLOAT32

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 2), np.uint8)


def pool(x):
    return x.reshape(len(x), 4, 2, 4, 2, 2).mean((2, 4))


def make_data_with(labels=None):
    images = Arrays(PIXELS, labels)
    return DataSet(images, images)


@pytest.mark.parametrize("view", [View(0), View(1), View(1, 0.25)], ids=str)
def test_errors_of_a_style_model_equal_their_formulas(backend, batch_sizes, view):
    model = alae.build(tiny_style_config(seed=3))
    z, x = model.sample_prior(8, seed=0), to_float(PIXELS)
    if view.lod == 0:
        x = pool(x)
    elif view.blend < 1:
        x = view.blend * x + (1 - view.blend) * pool(x).repeat(2, 1).repeat(2, 2)
    w = model.map(z).astype(np.float64)
    again = model.encode(model.generate(w, view, noise="none"), view)
    expected = np.square(w - again).sum(1).mean() / w.var(0).sum()
    reconstruction = np.square(x - model.reconstruct(x, view, noise="none").astype(np.float64)).mean()
    batch_sizes.clear()
    np.testing.assert_allclose(reciprocity_error(Subject(model, view=view, limit=8)), expected, **FLOAT32)
    np.testing.assert_allclose(reconstruction_error(Subject(model, make_data_with(), view)), reconstruction, **FLOAT32)
    assert max(batch_sizes) == 3


def test_labels_stay_with_their_images(backend, batch_sizes):
    model = alae.build(tiny_config(image=[8, 8, 2], labels=3, seed=1))
    labels = np.arange(7) % 3
    x = to_float(PIXELS)
    expected = np.square(x - model.reconstruct(x, labels=labels)).mean()
    batch_sizes.clear()
    np.testing.assert_allclose(reconstruction_error(Subject(model, make_data_with(labels))), expected, **FLOAT32)
    assert max(batch_sizes) == 3
    in_batches = reciprocity_error(Subject(model, limit=8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alae_core.model._CHUNK", 512)
        np.testing.assert_allclose(reciprocity_error(Subject(model, limit=8)), in_batches, **FLOAT32)


def test_z_of_style_models_with_labels_have_classes(backend):
    model = alae.build(tiny_style_config(labels=3, seed=3))
    z, labels = model.sample_prior(8, seed=0), stream(0, "labels of held-out z").integers(3, size=8)
    w = model.map(z, labels=labels).astype(np.float64)
    again = model.reencode(w, noise="none")
    expected = np.square(w - again).sum(1).mean() / w.var(0).sum()
    np.testing.assert_allclose(reciprocity_error(Subject(model, limit=8)), expected, **FLOAT32)


def test_details_are_errors_of_dimensions_and_of_images(model):
    w = model.map(model.sample_prior(8))
    again = model.reencode(w)
    errors = np.square(w - again).mean(0) / w.var(0)
    images = np.square(model.generate(w) - model.generate(again)).mean()
    values = reciprocity_error_details(Subject(model, limit=8))
    np.testing.assert_allclose(list(values.values()), [np.median(errors), errors.max(), images], **FLOAT32)
