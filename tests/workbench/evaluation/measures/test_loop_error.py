"""The measures that a run is watched by: their formulas, and that large images never lie in memory all at once."""

import numpy as np
import pytest

import alae_core as alae
from alae_core import View
from alae_core.images import to_float
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.measures.loop_error import reciprocity_error, reconstruction_error
from alae_workbench.evaluation.measures.overfitting import learnt_by_heart
from alae_workbench.evaluation.measures.probes import nearest_neighbour_pixels, nearest_neighbour_w
from alae_workbench.evaluation.registry import MEASURES, UnmeasurableError, measured
from tests.conftest import tiny_config, tiny_style_config
from tests.tolerances import FLOAT32

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 2), np.uint8)


def pooled(x):
    return x.reshape(len(x), 4, 2, 4, 2, 2).mean((2, 4))


def data(labels=None):
    images = Arrays(PIXELS, labels)
    return DataSet(images, images)


@pytest.fixture
def seen(monkeypatch):
    """How many images each call of G or E was given; at most three fit at a time."""
    monkeypatch.setattr("alae_core.model._CHUNK", 3)
    counts = []
    for method in ("reconstruct", "encode", "as_seen"):
        whole = getattr(alae.Alae, method)

        def counted(self, given, *args, whole=whole, **choices):
            counts.append(len(given))
            return whole(self, given, *args, **choices)

        monkeypatch.setattr(alae.Alae, method, counted)
    return counts


@pytest.mark.parametrize("view", [View(0), View(1), View(1, 0.25)], ids=str)
def test_errors_of_a_style_model_are_their_formulas_part_by_part(backend, seen, view):
    model = alae.build(tiny_style_config(seed=3))
    z, x = model.sample_prior(8, seed=0), to_float(PIXELS)
    if view.lod == 0:
        x = pooled(x)
    elif view.blend < 1:
        x = view.blend * x + (1 - view.blend) * pooled(x).repeat(2, 1).repeat(2, 2)
    w = model.map(z).astype(np.float64)
    again = model.encode(model.generate(w, view, noise="none"), view)
    expected = np.square(w - again).sum(1).mean() / w.var(0).sum()
    reconstruction = np.square(x - model.reconstruct(x, view, noise="none").astype(np.float64)).mean()
    seen.clear()
    np.testing.assert_allclose(reciprocity_error(model, None, view, 8), expected, **FLOAT32)
    np.testing.assert_allclose(reconstruction_error(model, data(), view), reconstruction, **FLOAT32)
    assert max(seen) == 3


def test_labels_stay_with_their_images(backend, seen):
    model = alae.build(tiny_config(image=[8, 8, 2], labels=3, seed=1))
    labels = np.arange(7) % 3
    x = to_float(PIXELS)
    expected = np.square(x - model.reconstruct(x, labels=labels)).mean()
    seen.clear()
    np.testing.assert_allclose(reconstruction_error(model, data(labels)), expected, **FLOAT32)
    assert max(seen) == 3
    whole = reciprocity_error(model, most=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alae_core.model._CHUNK", 512)
        np.testing.assert_allclose(reciprocity_error(model, most=8), whole, **FLOAT32)


def test_neighbours_are_encoded_part_by_part(backend, seen):
    model, labelled = alae.build(tiny_style_config()), data(np.arange(7))
    assert nearest_neighbour_w(model, labelled, View(1)) == 1, "each image is its own neighbour"
    assert nearest_neighbour_pixels(model, labelled, View(1)) == 1
    assert max(seen) == 3


def test_pixels_of_large_images_are_compared_at_32_a_side(backend):
    """By the means of their blocks, in which these are told apart; those of other shapes as they are."""
    model, random = alae.build(tiny_config(image=[64, 64, 1])), np.random.default_rng(0)
    blocks = random.integers(0, 200, (6, 32, 32, 1), np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    asked = blocks.copy()
    asked[:, ::2, ::2] += 40
    asked[:, 1::2, 1::2] -= np.minimum(asked[:, 1::2, 1::2], 40)
    sizes = []

    class Watched(Arrays):
        def images(self, indices, size=None):
            sizes.append(size)
            return super().images(indices, size)

    labels = np.arange(6)
    assert nearest_neighbour_pixels(model, DataSet(Watched(blocks, labels), Watched(asked, labels))) == 1
    assert set(sizes) == {32}
    for shape in ((48, 48, 1), (64, 32, 1), (28, 28, 1)):
        sizes.clear()
        images = Watched(random.integers(0, 256, (6, *shape), np.uint8), labels)
        assert nearest_neighbour_pixels(model, DataSet(images, images)) == 1
        assert set(sizes) == {None}


def test_neighbours_are_seen_as_far_as_their_level_has_faded_in(backend):
    """A run stopped in a fade reports accuracy and errors of one and the same model."""
    model, views = alae.build(tiny_style_config()), []
    encode = model.encode
    model.encode = lambda x, view=None, **choices: views.append(view) or encode(x, view, **choices)
    nearest_neighbour_w(model, data(np.arange(7)), View(1, 0.25))
    assert set(views) == {View(1, 0.25)}


def test_without_classes_or_with_attributes_there_are_no_neighbours_to_ask_for(backend):
    model = alae.build(tiny_style_config())
    for labels, reason in (
        (None, "no labels"),
        (np.zeros((7, 3), int), "several attributes"),
        (np.ones(7, int), "one cl"),
    ):
        with pytest.raises(UnmeasurableError, match=reason):
            nearest_neighbour_w(model, data(labels))
    found = measured(model, data(), None, "end")
    assert found.keys() == {"reciprocity_error", "reconstruction_error", "learnt_by_heart"}


@pytest.mark.parametrize("of", ["latent", "images"])
@pytest.mark.parametrize("view", [View(0), View(1)], ids=str)
def test_learnt_by_heart_is_how_many_more_training_images_d_takes_for_real(backend, seen, of, view):
    model = alae.build(tiny_style_config(seed=1, networks__discriminator=of))
    train, held_out = Arrays(PIXELS), Arrays(255 - PIXELS[:5])

    def logits(source):
        x = model.as_seen(source.images(np.arange(len(source)), view.size), view)
        return model.discriminate(x if of == "images" else model.encode(x, view), view)

    # D's last bias moved so that it takes only some for real.
    middle = np.sort(logits(train))[3:5].mean()
    weights = model.weights()
    last = [name for name in weights if name.startswith("D/") and name.endswith("bias")][-1]
    model.set_weights(weights | {last: weights[last] - middle / model.scales[last]})
    expected = 3 / 7 - (logits(held_out) > 0).mean()
    seen.clear()
    assert learnt_by_heart(model, DataSet(train, held_out), view) == pytest.approx(expected)
    assert max(seen) == 3
    assert learnt_by_heart(model, DataSet(train, train), view) == 0


def test_a_measure_is_one_function(backend, monkeypatch):
    from alae_workbench.evaluation.registry import measure

    monkeypatch.setattr("alae_workbench.evaluation.registry.MEASURES", dict(MEASURES))
    monkeypatch.setitem(MEASURES, "brightness", None)
    del MEASURES["brightness"]

    @measure("brightness of samples", networks="FG", when="report")
    def brightness(model, data, view, most):
        return float(model.generate(model.map(model.sample_prior(most or 4)), view).mean())

    model = alae.build(tiny_style_config())
    from alae_workbench.evaluation.registry import MEASURES as entered

    assert entered["brightness"].label == "brightness of samples"
    assert measured(model, data(), View(0), "report").keys() == {"reciprocity_error", "brightness"}
