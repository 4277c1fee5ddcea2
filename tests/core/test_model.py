"""Alae: shapes, ranges, seeds, and the networks against NumPy."""

import numpy as np
import pytest

import alae_core as alae
from tests.conftest import random_images, tiny_config
from tests.tolerances import BFLOAT16, FLOAT32


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def perceptron(x, weights, network, depth, slope=leaky):
    for i in range(depth):
        x = x @ weights[f"{network}/dense{i}/kernel"].astype(np.float64) + weights[f"{network}/dense{i}/bias"]
        x = slope(x) if i < depth - 1 else x
    return x


def with_biases(model):
    """The model, its biases no longer zero."""
    rng = np.random.default_rng(0)
    biases = {
        name: rng.normal(size=w.shape).astype(np.float32) for name, w in model.weights().items() if "bias" in name
    }
    model.set_weights(model.weights() | biases)
    return model


@pytest.fixture
def model(backend):
    return with_biases(alae.build(tiny_config(), seed=1))


def test_the_four_networks_match_numpy(model):
    weights = model.weights()
    z, x = model.sample_prior(6, seed=1), random_images()
    w = perceptron(z, weights, "F", 2)
    np.testing.assert_allclose(model.map(z), w, **FLOAT32)
    # Row by row, channel last: the flat order of the images is part of the specification.
    generated = perceptron(w, weights, "G", 3).reshape(6, 4, 3, 2)
    np.testing.assert_allclose(model.generate(w), generated, **FLOAT32)
    encoded = perceptron(x.reshape(6, 24), weights, "E", 3)
    np.testing.assert_allclose(model.encode(x), encoded, **FLOAT32)
    np.testing.assert_allclose(model.discriminate(encoded), perceptron(encoded, weights, "D", 2)[:, 0], **FLOAT32)
    np.testing.assert_allclose(model.reconstruct(x), model.generate(model.encode(x)), **FLOAT32)


def test_the_authors_networks_match_numpy(backend):
    official = {
        "networks.equalized": True,
        "networks.F": {"hidden": [6, 6], "pixel_norm": True, "activate_output": True, "lrmul": 0.1},
        "networks.D": {"hidden": [9], "slope": 1.0, "lrmul": 0.1},
    }
    model = with_biases(alae.build(tiny_config(**official), seed=2))
    weights = model.weights()
    effective = {}
    for name, weight in weights.items():
        lrmul = 0.1 if name[0] in "FD" else 1.0
        effective[name] = weight * (np.sqrt(2) / np.sqrt(weight.shape[0]) * lrmul if "kernel" in name else lrmul)
    z = 3 * model.sample_prior(6, seed=1)
    normed = z / np.sqrt((z**2).mean(axis=1, keepdims=True) + 1e-8)
    w = leaky(perceptron(normed, effective, "F", 3))
    np.testing.assert_allclose(model.map(z), w, **FLOAT32)
    np.testing.assert_allclose(
        model.discriminate(w), perceptron(w, effective, "D", 2, slope=lambda x: x)[:, 0], **FLOAT32
    )


def test_equalized_kernels_start_as_n_0_1_over_lrmul():
    model = alae.build(alae.load_config("mnist-mlp-official"), seed=0)
    for network, std in (("F", 10), ("G", 1), ("E", 1), ("D", 10)):
        kernel = model.weights()[f"{network}/dense1/kernel"]
        # 5 standard errors of a standard deviation
        assert abs(kernel.std() - std) < 5 * std / np.sqrt(2 * kernel.size)


def test_glorot_kernels_fill_their_range_and_no_further(model):
    kernel = alae.build(alae.load_config("mnist-mlp"), seed=0).weights()["E/dense1/kernel"]
    limit = np.sqrt(6 / 2048)
    assert 0.999 * limit < np.abs(kernel).max() <= limit


def test_seeds_decide_the_weights():
    first, same, other = (alae.build(tiny_config(), seed=seed).weights() for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first if "kernel" in name)
    # Scaled to the same range, so that equal draws would show in kernels of any shape.
    draws = [w.ravel()[0] / np.sqrt(6 / sum(w.shape)) for name, w in first.items() if "kernel" in name]
    assert np.diff(np.sort(draws)).min() > 1e-4, "every kernel has a stream of its own"


def test_looking_changes_nothing_and_repeats(model):
    before, x = model.weights(), random_images(600)
    assert np.array_equal(model.reconstruct(x), model.reconstruct(x))
    assert all(np.array_equal(before[name], after) for name, after in model.weights().items())
    np.testing.assert_allclose(model.encode(x)[:7], model.encode(x[:7]), **FLOAT32)


def test_no_images_are_no_rows(model):
    assert model.encode(random_images(0)).shape == (0, 7)


def test_images_of_another_shape_are_refused(model):
    with pytest.raises(ValueError, match=r"images must have shape \(batch, 4, 3, 2\), but have \(6, 3, 4, 2\)"):
        model.encode(random_images().transpose(0, 2, 1, 3))


def test_labels_are_appended_to_the_inputs_of_e_and_g(backend):
    model = alae.build(tiny_config(labels=3))
    assert model.E.get_layer("dense0").kernel.shape[0] == 24 + 3
    assert model.G.get_layer("dense0").kernel.shape[0] == 7 + 3
    x = random_images(2)
    same_class, other_class = (model.encode(x, labels=np.array(labels)) for labels in ([0, 1], [0, 2]))
    assert np.array_equal(same_class[0], other_class[0])
    assert not np.allclose(same_class[1], other_class[1])
    with pytest.raises(ValueError, match="labels must lie in 0 … 2, but reach from 0 to 3"):
        model.encode(x, labels=np.array([0, 3]))
    with pytest.raises(ValueError, match="was trained with 3 labels"):
        model.encode(x)


def test_labels_mean_nothing_to_a_model_without(model):
    with pytest.raises(ValueError, match="trained without labels"):
        model.encode(random_images(1), labels=np.array([0]))


def test_bfloat16_layers_return_float32_near_the_exact_answer(backend):
    exact, mixed = (alae.build(tiny_config(precision=precision), seed=1) for precision in ("float32", "bfloat16"))
    z = exact.sample_prior(6)
    assert mixed.map(z).dtype == np.float32
    assert {w.dtype for w in mixed.weights().values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(mixed.generate(mixed.map(z)), exact.generate(exact.map(z)), **BFLOAT16)
    assert not np.array_equal(mixed.map(z), exact.map(z)), "nothing was computed in bfloat16"
