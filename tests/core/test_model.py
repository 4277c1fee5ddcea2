"""The methods of a model: batches, views, compilation, and no side effects."""

from itertools import pairwise

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core import View, inference
from alae_core import model as module
from alae_core.images import to_float
from tests.conftest import random_images, slow, tiny_config, tiny_style_config
from tests.core.conftest import randomise_weights, style_images
from tests.tolerances import FLOAT32, STYLE

pytestmark = pytest.mark.each_backend

#: 513 is one more than a batch
COUNTS = [0, 1, 2, 3, 5, 513]


def tensor(array):
    return ops.convert_to_tensor(array)


def array(tensor):
    return ops.convert_to_numpy(ops.stop_gradient(tensor))


# ---- batches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "count"), [*(("plain", count) for count in COUNTS), ("conv", 3), ("conv", 513)])
def test_methods_equal_the_networks_for_any_number_of_images(request, family, count):
    """Compare with uncompiled networks called on all images at once."""
    plain, tolerance = request.getfixturevalue(family), STYLE if family == "conv" else FLOAT32
    x, z = random_images(count, plain.config.image), plain.sample_prior(count, seed=1)
    w = array(plain.F(tensor(z)))
    for found, expected in {
        "map": (plain.map(z), w),
        "generate": (plain.generate(w), array(plain.G(tensor(w)))),
        "encode": (plain.encode(x), array(plain.E(tensor(x)))),
        "discriminate": (plain.discriminate(w), array(plain.D(tensor(w)))),
        "reconstruct": (plain.reconstruct(x), array(plain.G(plain.E(tensor(x))))),
        "reencode": (plain.reencode(w), array(plain.E(plain.G(tensor(w))))),
    }.values():
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        np.testing.assert_allclose(found, expected, **tolerance)


@pytest.mark.parametrize("chunk", [2, *slow(1, 3, 4, 512)])
@pytest.mark.parametrize("count", [3, 7, *slow(1)])
def test_results_do_not_depend_on_batches_and_padding(style, classes, monkeypatch, chunk, count):
    """For images, labels, noise maps and styles."""
    x, labels, view = style_images(count), np.arange(count) % 3, View(1, 0.4)
    noise = [np.repeat(each, count if len(each) > 1 else 1, axis=0)[:count] for each in style.sample_noise(7)]
    styles = np.random.default_rng(0).normal(size=(count, 4, 7)).astype(np.float32)
    whole = (
        style.reconstruct(x, view, noise=noise),
        style.generate(styles, noise=noise),
        style.reencode(styles, view),
        classes.reconstruct(random_images(count), labels=labels),
    )
    monkeypatch.setattr(module, "_CHUNK", chunk)
    parts = (
        style.reconstruct(x, view, noise=noise),
        style.generate(styles, noise=noise),
        style.reencode(styles, view),
        classes.reconstruct(random_images(count), labels=labels),
    )
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, **STYLE)


def test_large_images_give_small_batches(plain, monkeypatch):
    assert [(part.start, part.stop) for part in plain.chunks(1025)] == [(0, 512), (512, 1024), (1024, 1025)]
    assert list(plain.chunks(0)) == [slice(0, 0)]
    monkeypatch.setattr(module, "_CHUNK_PIXELS", 24)
    assert [part.stop for part in plain.chunks(5)] == [2, 4, 5], "images of 4×3"
    monkeypatch.setattr(module, "_CHUNK_PIXELS", 1)
    assert [part.stop for part in plain.chunks(2)] == [1, 2]


def test_coarser_levels_have_larger_batches(style, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_PIXELS", 128)
    assert [part.stop for part in style.chunks(9)] == [2, 4, 6, 8, 9]
    assert [part.stop for part in style.chunks(9, View(0))] == [8, 9]
    x = style_images(9, 4)
    np.testing.assert_allclose(style.encode(x, View(0))[8:], style.encode(x[8:], View(0)), **STYLE)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_a_discriminator_of_images_is_not_padded(of_images, count):
    """It uses the variance within the batch, so padding would change every logit."""
    x = style_images(count)
    expected = array(of_images.D(tensor(x), lod=1))
    np.testing.assert_allclose(of_images.discriminate(x), expected, **STYLE)
    if count == 3:
        filled = array(of_images.D(tensor(np.concatenate([x, x[-1:]])), lod=1))[:3]
        assert np.abs(filled - expected).max() > 1e-3, "otherwise this test would be blind"


def test_a_discriminator_of_images_sees_single_batches(of_images, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 4)
    x = style_images(7)
    parts = [array(of_images.D(tensor(part), lod=1)) for part in (x[:4], x[4:])]
    np.testing.assert_allclose(of_images.discriminate(x), np.concatenate(parts), **STYLE)


# ---- combined methods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [View(1, 0.3), *slow(View(0), View(1))], ids=str)
@pytest.mark.parametrize("noise", ["bump", *slow("fixed", "none")])
def test_combined_methods_equal_their_parts(style, view, noise):
    x, w = style_images(3, view.size), style.map(style.sample_prior(3))
    made = style.generate(style.encode(x, view), view, noise=noise)
    np.testing.assert_allclose(style.reconstruct(x, view, noise=noise), made, **STYLE)
    codes = style.encode(style.generate(w, view, noise=noise), view)
    np.testing.assert_allclose(style.reencode(w, view, noise=noise), codes, **STYLE)
    np.testing.assert_allclose(style.w_of(x, view), style.encode(x, view), **STYLE)


def test_combined_methods_with_labels_equal_their_parts(classes):
    x, labels = random_images(4), np.array([0, 2, 1, 2])
    made = classes.generate(classes.encode(x, labels=labels), labels=labels)
    np.testing.assert_allclose(classes.reconstruct(x, labels=labels), made, **FLOAT32)
    w = classes.map(classes.sample_prior(4))
    codes = classes.encode(classes.generate(w, labels=labels), labels=labels)
    np.testing.assert_allclose(classes.reencode(w, labels=labels), codes, **FLOAT32)


def test_with_reciprocity_in_z_images_are_reconstructed_through_f(of_z):
    x, z = style_images(3), of_z.sample_prior(3)
    np.testing.assert_allclose(of_z.w_of(x), of_z.map(of_z.encode(x)), **STYLE)
    np.testing.assert_allclose(of_z.reconstruct(x), of_z.generate(of_z.w_of(x)), **STYLE)
    w = of_z.map(z)
    np.testing.assert_allclose(of_z.reencode(w), of_z.encode(of_z.generate(w)), **STYLE)


def test_bytes_equal_the_floats_they_convert_to(plain, style):
    for model, shape in ((plain, (4, 3, 2)), (style, (8, 8, 2))):
        images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
        for method in (model.encode, model.reconstruct, model.w_of, model.as_seen):
            assert np.array_equal(method(images), method(to_float(images)))


# ---- views -----------------------------------------------------------------------------------------------------------


def test_a_built_model_has_the_finest_view(plain, style):
    assert (plain.view, style.view) == (None, View(1))
    w = style.map(style.sample_prior(2))
    assert np.array_equal(style.generate(w), style.generate(w, View(1)))
    assert np.array_equal(style.encode(style_images(2)), style.encode(style_images(2), View(1)))
    assert [each.shape for each in style.sample_noise(2)] == [
        each.shape for each in style.sample_noise(2, view=View(1))
    ]


def test_the_view_of_the_model_is_the_default(backend):
    model = randomise_weights(alae.build(tiny_style_config()))
    w, x = model.map(model.sample_prior(2)), style_images(2)
    for view in (View(0), View(1, 0.25)):
        model.view = view
        seen = style_images(2, view.size)
        assert np.array_equal(model.generate(w), model.generate(w, view))
        assert np.array_equal(model.encode(seen), model.encode(seen, view))
        assert np.array_equal(model.reconstruct(seen), model.reconstruct(seen, view))
        assert np.array_equal(model.reencode(w), model.reencode(w, view))
        assert np.array_equal(model.as_seen(seen), model.as_seen(seen, view))
        assert len(model.sample_noise(2)) == 2 * (view.lod + 1)
    assert not np.array_equal(model.encode(x, View(1)), model.encode(x)), "the blend has an effect"


@pytest.mark.parametrize("method", ["reconstruct", *slow("generate", "encode", "reencode")])
def test_a_fade_does_not_recompile(backend, monkeypatch, method):
    """A training run generates grids at many different blends."""
    traces = []

    class Counting:
        device = backend.device

        def compile(self, fn):
            return backend.compile(lambda *arguments: traces.append(1) or fn(*arguments))

    monkeypatch.setattr(inference, "framework_in_use", Counting)
    model = randomise_weights(alae.build(tiny_style_config()))
    given = model.map(model.sample_prior(4)) if method in ("generate", "reencode") else style_images(4)
    traces.clear()
    seen = [getattr(model, method)(given, View(1, blend)) for blend in (0.0, 0.2, 0.4, 0.9)]
    assert len(traces) == 1
    assert all(not np.array_equal(one, other) for one, other in pairwise(seen))
    getattr(model, method)(given, View(1))
    assert len(traces) == 2, "a complete level does not use the level below"


def test_a_few_compiled_shapes_suffice_for_any_number_of_images(backend, monkeypatch):
    """Each new shape is compiled, which takes longer than the computation."""
    shapes = set()

    class Recording:
        device = backend.device

        def compile(self, fn):
            def recorded(weights, *tensors):
                shapes.add(tuple(tensors[0].shape))
                return fn(weights, *tensors)

            return recorded

    monkeypatch.setattr(inference, "framework_in_use", Recording)
    monkeypatch.setattr(module, "_CHUNK", 16)
    model = alae.build(tiny_config())
    for count in range(60):
        assert len(model.map(model.sample_prior(count))) == count
    assert {shape[0] for shape in shapes} == {1, 2, 4, 8, 16}


@pytest.mark.parametrize("words", [("none", "bump"), ("none", "fixed"), ("bump", "fixed")])
def test_modes_of_noise_are_compiled_separately(style, words):
    w = style.map(style.sample_prior(2))
    one, other = (style.generate(w, noise=word) for word in words)
    assert np.abs(one - other).max() > 1e-4
    assert np.array_equal(one, style.generate(w, noise=words[0]))


# ---- no side effects -------------------------------------------------------------------------------------------------


def test_methods_are_deterministic_and_do_not_change_the_model(plain, style):
    for model, x in ((plain, random_images(600)), (style, style_images(5))):
        kept, before, mean = x.copy(), model.weights(), model.mean_of_w()
        w = model.map(model.sample_prior(len(x)))
        for method, given in ((model.reconstruct, x), (model.encode, x), (model.generate, w), (model.reencode, w)):
            assert np.array_equal(method(given), method(given))
        assert all(np.array_equal(before[name], after) for name, after in model.weights().items())
        assert np.array_equal(x, kept)
        assert mean is None or np.array_equal(mean, model.mean_of_w())


def test_results_are_not_shared(plain):
    w = plain.encode(random_images())
    kept = w.copy()
    plain.encode(random_images(seed=1))
    assert np.array_equal(w, kept)
    w += 1
    assert np.array_equal(plain.encode(random_images()), kept)


def test_changed_weights_have_an_immediate_effect(backend):
    model, x = alae.build(tiny_config()), random_images()
    first, weights = model.encode(x), model.weights()
    model.set_weights({name: 2 * array for name, array in weights.items()})
    assert not np.allclose(model.encode(x), first)
    model.set_weights(weights)
    assert np.array_equal(model.encode(x), first)
    model.E.get_layer("dense2").bias.assign(np.full(7, 3, np.float32))
    np.testing.assert_allclose(model.encode(x), first + 3, **FLOAT32)
