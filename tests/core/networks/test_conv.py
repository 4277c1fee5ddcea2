"""The conv family against NumPy: G, E, their options, labels, initial values and precisions."""

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core.networks import features
from alae_core.networks.layout import layout
from tests.conftest import random_images, tiny_config, tiny_conv_config
from tests.core.conftest import randomise_weights
from tests.tolerances import BFLOAT16, FLOAT32, STYLE

pytestmark = pytest.mark.each_backend

SHAPE = (8, 10, 2)
#: every option that changes the computation
CONFIGS = {
    "tiny": {},
    "residual blocks everywhere": {"networks__residual": 2},
    "without residual blocks": {"networks__residual": 0},
    "linear output, w as it is": {"networks__output": "linear", "networks__normalize_w": False},
    "three resolutions": {"image": [16, 20, 2], "networks__widths": [5, 4, 3], "networks__residual": 2},
    "labels": {"labels": 3},
}


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def normalize(w):
    return w / np.sqrt((w**2).mean(axis=1, keepdims=True) + 1e-8)


def convolve(x, weights, name, stride=1):
    """Convolve pixel by pixel; maps are padded by one pixel of zeros."""
    kernel, bias = (weights[f"{name}/{part}"].astype(np.float64) for part in ("kernel", "bias"))
    size, padded = len(kernel), np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    height, width = ((padded.shape[axis] - size) // stride + 1 for axis in (1, 2))
    y = np.empty((len(x), height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            patch = padded[:, i * stride : i * stride + size, j * stride : j * stride + size]
            y[:, i, j] = np.tensordot(patch, kernel, 3) + bias
    return y


def interpolate(x, axis):
    """Double one axis: new pixel i lies at (i + ½) / 2 − ½ of the old pixels, and the border repeats."""
    size = x.shape[axis]
    places = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
    low = np.floor(places).astype(int)
    share = (places - low).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return (1 - share) * x.take(low, axis) + share * x.take(np.minimum(low + 1, size - 1), axis)


def dense(x, weights, name):
    return x @ weights[f"{name}/kernel"].astype(np.float64) + weights[f"{name}/bias"]


def append(x, labels):
    return x if labels is None else np.hstack([x, np.eye(3)[labels]])


def refine(x, weights, network, i, residuals):
    return leaky(x + convolve(leaky(x), weights, f"{network}/residual{i}") if i < residuals else x)


def generate(w, weights, config, labels=None):
    networks, (height, width, _) = config.networks, config.image
    count = len(networks.widths)
    x = dense(leaky(dense(append(w, labels), weights, "G/dense0")), weights, "G/dense1")
    x = x.reshape(-1, height // 2 ** (count - 1), width // 2 ** (count - 1), networks.widths[0])
    for i in range(count):
        x = interpolate(interpolate(x, 1), 2) if i else x
        x = convolve(refine(x, weights, "G", i, networks.residual), weights, f"G/conv{i}")
    return np.tanh(x) if networks.output == "tanh" else x


def encode(x, weights, config, labels=None):
    networks = config.networks
    for i in reversed(range(len(networks.widths) - 1)):
        x = refine(convolve(x, weights, f"E/conv{i}", stride=2), weights, "E", i, networks.residual)
    w = dense(leaky(dense(append(x.reshape(len(x), -1), labels), weights, "E/dense0")), weights, "E/dense1")
    return normalize(w) if networks.normalize_w else w


@pytest.mark.parametrize("name", CONFIGS)
def test_the_networks_match_numpy(backend, name):
    config = tiny_conv_config(**CONFIGS[name])
    model = randomise_weights(alae.build(config))
    weights, x, w = model.weights(), random_images(3, config.image), np.random.default_rng(1).normal(size=(3, 7))
    labels = np.array([0, 2, 1]) if config.labels else None
    w = w.astype(np.float32)
    generated, encoded = generate(w, weights, config, labels), encode(x, weights, config, labels)
    np.testing.assert_allclose(model.generate(w, labels=labels), generated, **STYLE)
    np.testing.assert_allclose(model.encode(x, labels=labels), encoded, **STYLE)
    reconstructed = generate(encoded, weights, config, labels)
    np.testing.assert_allclose(model.reconstruct(x, labels=labels), reconstructed, **STYLE)
    if labels is not None:
        assert np.abs(generate(w, weights, config, labels[::-1])[0] - generated[0]).max() > 1e-3


def test_f_and_d_are_perceptrons(conv):
    weights, z = conv.weights(), 3 * conv.sample_prior(4, seed=1)
    w = normalize(dense(leaky(dense(normalize(z), weights, "F/dense0")), weights, "F/dense1"))
    np.testing.assert_allclose(conv.map(z), w, **FLOAT32)
    logits = dense(leaky(dense(w, weights, "D/dense0")), weights, "D/dense1")[:, 0]
    np.testing.assert_allclose(conv.discriminate(w), logits, **FLOAT32)


@pytest.mark.parametrize("patches", [False, True], ids=["by convolutions", "by patches"])
def test_both_implementations_of_strided_convolutions_match_numpy(conv, monkeypatch, patches):
    monkeypatch.setattr(features, "_is_jax_on_cpu", lambda: patches)
    x = random_images(2, SHAPE)
    found = ops.convert_to_numpy(ops.stop_gradient(conv.E(ops.convert_to_tensor(x))))
    np.testing.assert_allclose(found, encode(x, conv.weights(), conv.config), **STYLE)


# ---- initial values --------------------------------------------------------------------------------------------------


def test_kernels_start_he_normal_and_biases_and_residuals_at_zero():
    config = tiny_conv_config(image=[28, 32, 3], networks__widths=[48, 32, 24], networks__hidden=99)
    leaky_gain = np.sqrt(2 / (1 + 0.2**2))
    weights = alae.build(config).weights()
    for name, array in weights.items():
        if name.endswith("/bias") or "residual" in name:
            assert not array.any(), name
            continue
        # The last layers: images from 0.5, and w and the logit without an activation.
        gain = {"G/conv2": 0.5, "E/dense1": 1, "F/dense1": 1, "D/dense1": 1}.get(name[: -len("/kernel")], leaky_gain)
        std = gain / np.sqrt(np.prod(array.shape[:-1]))
        # 5 standard errors
        assert abs(array.std() - std) < 5 * std / np.sqrt(2 * array.size), name
        assert abs(array.mean()) < 5 * std / np.sqrt(array.size), name


def test_the_gain_of_perceptrons_depends_on_their_activations():
    choice = {"hidden": [64], "slope": 0.5, "activate_output": True}
    specs = layout(tiny_conv_config(networks__F=choice, networks__D={"hidden": [8], "slope": 1.0}))
    assert specs["F/dense0/kernel"].std == pytest.approx(np.sqrt(2 / 1.25 / 5))
    assert specs["F/dense1/kernel"].std == pytest.approx(np.sqrt(2 / 1.25 / 64))
    assert specs["D/dense0/kernel"].std == pytest.approx(np.sqrt(1 / 7))
    assert specs["D/dense1/kernel"].std == pytest.approx(np.sqrt(1 / 8))


def test_a_residual_block_changes_nothing_at_first():
    with_blocks, without = (alae.build(tiny_conv_config(networks__residual=count)) for count in (1, 0))
    assert set(with_blocks.variables) > set(without.variables)
    w, x = np.ones((2, 7), np.float32), random_images(2, SHAPE)
    np.testing.assert_array_equal(with_blocks.generate(w), without.generate(w))
    np.testing.assert_array_equal(with_blocks.encode(x), without.encode(x))


# ---- precisions ------------------------------------------------------------------------------------------------------


def test_bfloat16_layers_return_float32_near_the_exact_answer(backend):
    exact, mixed = (alae.build(tiny_conv_config(precision=precision)) for precision in ("float32", "bfloat16"))
    for function in (lambda m: m.generate(m.map(m.sample_prior(3))), lambda m: m.encode(random_images(3, SHAPE))):
        found, expected = function(mixed), function(exact)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, **BFLOAT16)
        assert not np.array_equal(found, expected), "nothing was computed in bfloat16"
    assert {w.dtype for w in mixed.weights().values()} == {np.dtype(np.float32)}


# ---- the same options of perceptrons ---------------------------------------------------------------------------------


def test_perceptrons_normalize_w_and_end_in_tanh_on_request(backend):
    plain = randomise_weights(alae.build(tiny_config()))
    options = {"networks__output": "tanh", "networks__normalize_w": True}
    model = alae.build(tiny_config(**options))
    model.set_weights(plain.weights())
    z, x = plain.sample_prior(4), random_images(4)
    np.testing.assert_allclose(model.map(z), normalize(plain.map(z).astype(np.float64)), **FLOAT32)
    np.testing.assert_allclose(model.encode(x), normalize(plain.encode(x).astype(np.float64)), **FLOAT32)
    w = plain.map(z)
    np.testing.assert_allclose(model.generate(w), np.tanh(plain.generate(w).astype(np.float64)), **FLOAT32)
    np.testing.assert_allclose(model.discriminate(w), plain.discriminate(w), **FLOAT32)


def test_outputs_of_g_in_range_and_of_f_and_e_with_unit_root_mean_square(conv):
    w = conv.map(conv.sample_prior(5))
    assert np.abs(conv.generate(9 * w)).max() <= 1
    for code in (w, conv.encode(random_images(5, SHAPE))):
        np.testing.assert_allclose((code**2).mean(axis=1), 1, **FLOAT32)
