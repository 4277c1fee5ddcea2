"""Path lengths in closed form, and cached steps."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.measures import path_length as measure
from alae_workbench.evaluation.measures.path_length import (
    EPSILON,
    crop_and_shrink,
    interpolate_arc,
    path_length,
    step_lengths,
    trimmed_mean,
)
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_config, tiny_style_config

#: the smallest style model with images that VGG16 accepts
SIXTEEN = {"image": [16, 16, 2], "growth__levels": [{"images": 6, "fade": 0.0}] * 3}


def squared_distance(x, y):
    return np.square(x.astype(np.float64) - y).sum((1, 2, 3))


@pytest.mark.parametrize("where", ["full", "end"])
def test_a_straight_path_of_a_linear_generator_has_the_distance_of_its_ends(backend, monkeypatch, where):
    """Pixels differ by (b − a) ε at any position of the step; the square is divided by ε²."""
    model = alae.build(tiny_config(seed=1, networks__z=4, networks__w=4))
    monkeypatch.setattr(type(model), "map", lambda self, z, labels=None: 2 * np.asarray(z))
    monkeypatch.setattr(type(model), "generate", lambda self, w, *a, **k: np.asarray(w, np.float64)[:, None, :, None])
    batches = step_lengths(Subject(model), "w", where, False, 300, squared_distance)
    lengths = np.concatenate(list(batches))[:, 0]
    ends = [measure.prior_parts([300], 4, seed=0, purpose=f"path/{end}") for end in ("from", "to")]
    a, b = (2 * next(end) for end in ends)
    np.testing.assert_allclose(lengths, np.square(b - a).sum(1), rtol=2e-2)
    np.testing.assert_allclose(lengths.mean(), np.square(b - a).sum(1).mean(), rtol=1e-3)


def test_an_arc_stays_on_the_sphere_between_its_ends():
    a, b = np.random.default_rng(0).normal(size=(2, 50, 8)).astype(np.float32)
    one, zero = np.ones((50, 1)), np.zeros((50, 1))
    np.testing.assert_allclose(interpolate_arc(a, b, zero), a, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(interpolate_arc(a, b, one), b, rtol=1e-5, atol=1e-6)
    lengths = [np.linalg.norm(z, axis=1) for z in (a, interpolate_arc(a, b, one / 2), b)]
    np.testing.assert_allclose(lengths[1], (lengths[0] + lengths[2]) / 2, rtol=1e-5)
    c = np.float32([[1, 0], [1, 0]])
    d = np.float32([[0, 1], [0, 1]])
    shares = np.array([[1 / 3], [2 / 3]])
    expected = [[np.sqrt(3) / 2, 0.5], [0.5, np.sqrt(3) / 2]]
    np.testing.assert_allclose(interpolate_arc(c, d, shares), expected, rtol=1e-6)


def test_a_path_in_z_is_an_arc(backend, monkeypatch):
    """On the unit sphere a step is ε times the angle between the ends."""
    model = alae.build(tiny_config(seed=1, networks__z=4, networks__w=4))

    def normalize(self, z, labels=None):
        return np.asarray(z, np.float64) / np.linalg.norm(z, axis=1, keepdims=True)

    monkeypatch.setattr(type(model), "map", normalize)
    monkeypatch.setattr(type(model), "generate", lambda self, w, *a, **k: w[:, None, :, None])
    batches = step_lengths(Subject(model), "z", "full", False, 300, squared_distance)
    lengths = np.concatenate(list(batches))[:, 0]
    a, b = (
        normalize(None, next(measure.prior_parts([300], 4, seed=0, purpose=f"path/{end}"))) for end in ("from", "to")
    )
    np.testing.assert_allclose(lengths.mean(), np.square(np.arccos((a * b).sum(1))).mean(), rtol=1e-3)


def test_the_crop_matches_karras_et_al():
    """Rows 3/8 to 7/8, columns 2/8 to 6/8; then means of blocks if the crop is larger than 256 pixels."""
    images = np.arange(1024 * 1024, dtype=np.float32).reshape(1, 1024, 1024, 1)
    crop = images[:, 384:896, 256:768]
    expected = crop.reshape(1, 256, 2, 256, 2, 1).mean((2, 4))
    np.testing.assert_allclose(crop_and_shrink(images, True), expected, rtol=1e-6)
    np.testing.assert_array_equal(crop_and_shrink(images[:, :64, :64], True), images[:, 24:56, 16:48])
    np.testing.assert_array_equal(crop_and_shrink(images[:, :400, :400], False), images[:, :400, :400])


def test_outliers_are_left_out():
    distances = np.r_[np.full(198, 2.0), 1000.0, 0.0]
    assert trimmed_mean(distances) == pytest.approx(2.0, rel=1e-2)
    assert trimmed_mean(np.arange(1000.0)) == pytest.approx(499.5)


@pytest.mark.slow
def test_steps_are_cached(backend, lpips_folder, tmp_path, monkeypatch):
    """The second call does not compute anything; several batches are joined in order."""
    model = alae.build(tiny_style_config(**SIXTEEN))
    monkeypatch.setattr("alae_core.model._CHUNK", 3)
    subject = Subject(model, limit=7, cache=Cache(tmp_path, lpips_folder))
    length = path_length(subject, "w", "end", False)
    calls = []
    monkeypatch.setattr(measure, "step_lengths", lambda *a: calls.append(a))
    assert path_length(subject, "w", "end", False) == length
    assert not calls
    monkeypatch.undo()
    assert EPSILON == 1e-4
    uncached = Subject(model, limit=7, cache=Cache(weights=lpips_folder))
    assert path_length(uncached, "w", "end", False) == pytest.approx(length, rel=0.05)
