"""Perceptrons: shapes, ranges, seeds, and the networks against NumPy."""

import keras
import numpy as np
import pytest

import alae_core as alae
from alae_core.networks.layers import Dense
from alae_core.networks.mlp import Perceptrons
from alae_core.networks.specs import Section, dense_layout
from tests.conftest import random_images, tiny_config
from tests.tolerances import BFLOAT16, FLOAT32

pytestmark = pytest.mark.each_backend


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def perceptron(x, weights, network, depth, slope=leaky):
    for i in range(depth):
        x = x @ weights[f"{network}/dense{i}/kernel"].astype(np.float64) + weights[f"{network}/dense{i}/bias"]
        x = slope(x) if i < depth - 1 else x
    return x


def with_biases(model):
    """Set random biases of a model, and return it."""
    rng = np.random.default_rng(0)
    biases = {
        name: rng.normal(size=w.shape).astype(np.float32) for name, w in model.weights().items() if "bias" in name
    }
    model.set_weights(model.weights() | biases)
    return model


@pytest.fixture
def model(backend):
    return with_biases(alae.build(tiny_config(seed=1)))


def test_the_four_networks_match_numpy(model):
    weights = model.weights()
    z, x = model.sample_prior(6, seed=1), random_images()
    w = perceptron(z, weights, "F", 2)
    np.testing.assert_allclose(model.map(z), w, **FLOAT32)
    # Row by row, channels last: the order in which images are flattened is part of the specification.
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
    model = with_biases(alae.build(tiny_config(**official, seed=2)))
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
    model = alae.build(alae.load_config("mnist-mlp-official"))
    for network, std in (("F", 10), ("G", 1), ("E", 1), ("D", 10)):
        kernel = model.weights()[f"{network}/dense1/kernel"]
        # 5 standard errors of a standard deviation
        assert abs(kernel.std() - std) < 5 * std / np.sqrt(2 * kernel.size)


def test_glorot_kernels_cover_exactly_their_range(model):
    kernel = alae.build(alae.load_config("mnist-mlp")).weights()["E/dense1/kernel"]
    limit = np.sqrt(6 / 2048)
    assert 0.999 * limit < np.abs(kernel).max() <= limit


def test_seeds_decide_the_weights():
    first, same, other = (alae.build(tiny_config(seed=seed)).weights() for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first if "kernel" in name)
    # Scale kernels to the same range, so that equal draws are detected in kernels of any shape.
    draws = [w.ravel()[0] / np.sqrt(6 / sum(w.shape)) for name, w in first.items() if "kernel" in name]
    assert np.diff(np.sort(draws)).min() > 1e-4, "every kernel has a stream of its own"


def test_labels_are_appended_to_the_inputs_of_e_and_g(backend):
    model = alae.build(tiny_config(labels=3))
    assert model.E.get_layer("dense0").kernel.shape[0] == 24 + 3
    assert model.G.get_layer("dense0").kernel.shape[0] == 7 + 3
    x = random_images(2)
    same_class, other_class = (model.encode(x, labels=np.array(labels)) for labels in ([0, 1], [0, 2]))
    assert np.array_equal(same_class[0], other_class[0])
    assert not np.allclose(same_class[1], other_class[1])
    made, other = (model.generate(np.zeros((2, 7)), labels=np.array(labels)) for labels in ([0, 1], [0, 2]))
    assert np.array_equal(made[0], other[0])
    assert not np.allclose(made[1], other[1])


def test_bfloat16_layers_return_float32_near_the_exact_answer(backend):
    exact, mixed = (alae.build(tiny_config(precision=precision, seed=1)) for precision in ("float32", "bfloat16"))
    z = exact.sample_prior(6)
    assert mixed.map(z).dtype == np.float32
    assert {w.dtype for w in mixed.weights().values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(mixed.generate(mixed.map(z)), exact.generate(exact.map(z)), **BFLOAT16)
    assert not np.array_equal(mixed.map(z), exact.map(z)), "nothing was computed in bfloat16"


def test_a_model_has_a_one_line_repr(model):
    shown = repr(model)
    assert shown.startswith("<Alae of 4×3×2 images, weights F 150, G 470, E 507, D 73; Config(")
    assert "\n" not in shown
    assert sum(array.size for array in model.weights().values()) == 150 + 470 + 507 + 73


# ---- scales of weights -----------------------------------------------------------------------------------------------


def test_plain_layers_have_scales_of_1(model):
    assert model.scales == dict.fromkeys(model.variables, 1.0)


def test_equalized_layers_report_their_scales(backend):
    overrides = {"networks.equalized": True, "networks.F.lrmul": 0.1, "networks.D.lrmul": 0.01}
    model = alae.build(tiny_config(**overrides))
    assert model.scales.keys() == model.variables.keys()
    for name, weight in model.variables.items():
        lrmul = {"F": 0.1, "D": 0.01}.get(name[0], 1.0)
        expected = np.sqrt(2 / weight.shape[0]) * lrmul if name.endswith("kernel") else lrmul
        assert model.scales[name] == pytest.approx(expected, rel=1e-12), name


def test_a_weight_without_a_scale_is_refused(backend):
    """Otherwise Adam would silently get a wrong gradient for it."""

    class Unscaled(Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.extra = self.add_weight(name="extra", shape=(7,), initializer="zeros")

    x = keras.Input((5,))
    network = keras.Model(x, Unscaled(Section("F/dense0", dense_layout(5, 7), seed=0))(x), name="F")
    with pytest.raises(KeyError, match="extra"):
        Perceptrons(tiny_config(), {"F": network})


def test_keras_layers_have_scales_of_1(backend):
    x = keras.Input((5,))
    network = keras.Model(x, keras.layers.Dense(7, name="dense0")(x), name="F")
    assert Perceptrons(tiny_config(), {"F": network}).scales == {"F/dense0/kernel": 1.0, "F/dense0/bias": 1.0}
