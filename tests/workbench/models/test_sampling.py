"""Samples: determined by the seed, equal in batches, with the requested class and truncation."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.models.sampling import ROW, sample, sample_in_batches, untruncated_psi
from tests.conftest import tiny_config, tiny_style_config
from tests.tolerances import FLOAT32


@pytest.fixture(scope="module")
def style(backend):
    model = alae.build(tiny_style_config())
    random = np.random.default_rng(0)
    model.w_mean.assign(random.normal(size=model.config.networks.w).astype(np.float32))
    weights = model.weights()
    # With initial weights, all w give nearly the same image.
    model.set_weights({n: 8 * w if n.endswith("style/kernel") and n[0] == "G" else w for n, w in weights.items()})
    return model


@pytest.fixture(scope="module")
def classes(backend):
    return alae.build(tiny_config(labels=3))


def test_concatenated_batches_equal_all_samples(classes, monkeypatch):
    whole = sample(classes, 7, seed=3)
    monkeypatch.setattr("alae_core.model._CHUNK", 3)
    batches = list(sample_in_batches(classes, 7, seed=3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    np.testing.assert_allclose(np.concatenate(batches), whole, **FLOAT32)
    np.testing.assert_allclose(
        np.concatenate(list(sample_in_batches(classes, 7, seed=3, start=3))), whole[3:], **FLOAT32
    )


def test_classes_alternate_along_each_row(classes):
    count = ROW + 5
    w = classes.map(classes.sample_prior(count))
    expected = classes.generate(w, labels=np.arange(count) % ROW % 3)
    np.testing.assert_allclose(sample(classes, count), expected, **FLOAT32)
    expected = classes.generate(w, labels=np.full(count, 2))
    np.testing.assert_allclose(sample(classes, count, label=2), expected, **FLOAT32)


def test_psi_truncates_samples(style):
    w = style.map(style.sample_prior(4, seed=1))
    for psi in (0.0, 0.3, 1.0):
        expected = style.generate(psi * w + (1 - psi) * style.mean_of_w())
        np.testing.assert_allclose(sample(style, 4, seed=1, psi=psi), expected, **FLOAT32)
    default = style.config.style.truncation_psi
    np.testing.assert_array_equal(sample(style, 4, seed=1), sample(style, 4, seed=1, psi=default))
    assert untruncated_psi(style) == 1


def test_classes_of_style_models_pass_through_F(backend):
    model = alae.build(tiny_style_config(labels=3))
    z = model.sample_prior(4, seed=1)
    for label, labels in ((None, np.array([0, 1, 2, 0])), (2, np.full(4, 2))):
        styles = model.truncate(model.map(z, labels=labels), 0.5)
        np.testing.assert_allclose(sample(model, 4, seed=1, label=label, psi=0.5), model.generate(styles), **FLOAT32)


def test_options_that_do_not_apply_are_refused(style, classes):
    assert untruncated_psi(classes) is None
    with pytest.raises(alae.ArgumentError, match="psi is only for style models"):
        sample(classes, 4, psi=1.0)
    with pytest.raises(alae.ArgumentError, match="label is 3, but the model has the classes 0 … 2"):
        sample(classes, 4, label=3)
    with pytest.raises(alae.ArgumentError, match="label is 0, but the model was trained without labels"):
        sample(style, 4, label=0)
