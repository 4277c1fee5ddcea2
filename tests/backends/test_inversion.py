"""Inversion on each backend: the gradient, the falling errors, and independence of images."""

import numpy as np
import pytest

import alae_core as alae
from alae_core import View
from alae_workbench.models import inversion
from alae_workbench.models.inversion import invert
from tests.conftest import slow, tiny_config, tiny_style_config

MODELS = {
    "mlp": (tiny_config, None),
    "style": (tiny_style_config, View(1)),
    "fading": (tiny_style_config, View(1, 0.5)),
}


@pytest.fixture(params=["mlp", *slow("style", "fading")])
def model(request, backend):
    make, view = MODELS[request.param]
    built = alae.build(make(seed=2))
    if view:
        built.view = view
        # With initial weights, all w give nearly the same image.
        weights = built.weights()
        built.set_weights({n: 4 * w if n.endswith("style/kernel") and n[0] == "G" else w for n, w in weights.items()})
    return built


def draw_images(model, count=3):
    return model.generate(model.map(model.sample_prior(count, seed=5)))


def test_gradient_agrees_with_central_differences(model):
    """Along a random direction, for each image separately."""
    x, w = draw_images(model), model.map(model.sample_prior(3, seed=6))
    target = model.hidden(x)
    compute_loss = inversion._compile_loss(model, model.view, 0.7)
    loss, gradient = compute_loss(w, x, target)
    images = model.generate(w)
    expected = np.square(images - x).mean((1, 2, 3)) + 0.7 * np.square(model.hidden(images) - target).mean(1)
    np.testing.assert_allclose(loss, expected, rtol=1e-3)
    direction = np.random.default_rng(0).normal(size=w.shape).astype(np.float32)
    h = 2e-4
    after, before = (compute_loss(w + sign * h * direction, x, target)[0] for sign in (1, -1))
    slopes = (after - before) / (2 * h)
    np.testing.assert_allclose(slopes, (gradient * direction).sum(1), rtol=0.03, atol=0.03 * np.abs(slopes).max())


@pytest.mark.parametrize("start", ["encoder", *slow("mean")])
def test_errors_fall_and_the_best_w_is_returned(model, start):
    x = draw_images(model)
    told = []
    found = invert(model, x, start=start, steps=60, report_every=20, features=0.0, tell=told.append)
    assert [step for step, _, _ in found.errors] == [0, 20, 40, 60]
    seconds = [seconds for _, seconds, _ in found.errors]
    assert seconds == sorted(seconds)
    assert sum(told) == 60
    before, after = found.errors[0][2], np.square(model.generate(found.w) - x).mean()
    assert after < 0.9 * before
    np.testing.assert_allclose(found.images, model.generate(found.w), rtol=1e-4, atol=1e-5)


def test_without_steps_the_start_is_returned(model):
    x = draw_images(model)
    found = invert(model, x, steps=0)
    np.testing.assert_allclose(found.w, model.encode(x), rtol=1e-4, atol=1e-5)
    ((step, _, error),) = found.errors
    assert step == 0
    assert error == pytest.approx(np.square(model.reconstruct(x) - x).mean(), rel=1e-3)


def test_layers_search_one_style_for_each_layer(backend):
    model = alae.build(tiny_style_config())
    x = draw_images(model)
    found = invert(model, x, steps=10, layers=True)
    assert found.w.shape == (3, 4, model.config.networks.w)
    assert (found.w[:, 0] != found.w[:, 1]).any()


def test_images_do_not_affect_each_other(backend, monkeypatch):
    """Neither the other images nor the size of batches changes a result."""
    model = alae.build(tiny_config())
    x = draw_images(model, 5)
    whole = invert(model, x, steps=10).w
    np.testing.assert_allclose(invert(model, x[3:4], steps=10).w[0], whole[3], rtol=1e-3, atol=1e-4)
    monkeypatch.setattr("alae_core.model._CHUNK", 2)
    np.testing.assert_allclose(invert(model, x, steps=10).w, whole, rtol=1e-3, atol=1e-4)


def test_models_with_labels_are_refused(backend):
    with pytest.raises(alae.AlaeError, match="inversion needs a model without labels, but this model has 3 classes"):
        invert(alae.build(tiny_config(labels=3)), np.zeros((1, 4, 3, 2), np.float32))


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_learning_rates_that_are_not_positive_are_refused(backend, rate):
    with pytest.raises(alae.ArgumentError, match=r"learning_rate is .+; it must be positive"):
        invert(alae.build(tiny_config()), np.zeros((1, 4, 3, 2), np.float32), learning_rate=rate)
