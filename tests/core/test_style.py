"""Style networks: shapes at every level, what blend, noise, styles and truncation do, and a plain NumPy generator."""

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core.networks.style import takes_part
from tests.conftest import random_images, tiny_style_config
from tests.tolerances import FLOAT32, STYLE

THREE = {"image": [16, 16, 2], "growth__levels": [{"images": 8}] * 3}


def built(seed=1, **overrides):
    """A model with every weight away from its start, so that noise and biases count."""
    model = alae.build(tiny_style_config(**overrides), seed=seed)
    rng = np.random.default_rng(seed)
    model.set_weights({n: w + 0.3 * rng.normal(size=w.shape).astype(np.float32) for n, w in model.weights().items()})
    return model


@pytest.fixture(scope="module")
def model(backend):
    return built(**THREE)


@pytest.fixture(scope="module")
def w(model):
    return model.map(model.sample_prior(4))


# ---- closed forms ----------------------------------------------------------------------------------------------------


def leaky(x, slope=0.2):
    return np.where(x > 0, x, slope * x)


def norm(x, epsilon):
    return (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + epsilon)


def convolve(x, kernel):
    kernel = kernel * np.sqrt(2 / np.prod(kernel.shape[:3]))
    padded, (height, width) = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), x.shape[1:3]
    return sum(padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))


def blur(x):
    padded, (height, width) = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), x.shape[1:3]
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    return sum(weights[i, j] * padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3))


def enlarge(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def pool(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def dense(v, name, x, gain):
    return x @ (v[f"{name}/kernel"] * gain / np.sqrt(x.shape[1])) + v[f"{name}/bias"]


def bump(x, s):
    return 0.8 * s * np.exp(-(x**2) / (2 * s**2)) / np.sqrt(2 * np.pi)


def to_rgb(v, i, x):
    return x @ (v[f"G/to_rgb{i}/kernel"][0, 0] * 0.03 / np.sqrt(x.shape[-1])) + v[f"G/to_rgb{i}/bias"]


def from_rgb(v, i, x):
    return leaky(leaky(x @ (v[f"E/from_rgb{i}/kernel"][0, 0] * np.sqrt(2 / x.shape[-1])) + v[f"E/from_rgb{i}/bias"]))


def generate(v, w, lod, blend, noise):
    """G in float64; `w` is (batch, w), `noise` a map for each layer or "bump"."""
    x = np.repeat(v["G/const"][None], len(w), axis=0)
    for i in range(lod + 1):
        before = x
        if i:
            x = blur(convolve(enlarge(x), v[f"G/block{i}/conv1/kernel"]))
        for k in (1, 2):
            name = f"G/block{i}/styled{k}"
            if k == 2:
                x = convolve(x, v[f"G/block{i}/conv2/kernel"])
            added = bump(x, np.sqrt(i + 1)) if noise == "bump" else noise[2 * i + k - 1] * v[f"{name}/noise"]
            x = leaky(x + added + v[f"{name}/bias"])
            scale, shift = np.split(dense(v, f"{name}/style", w, 1.0)[:, None, None], 2, axis=-1)
            x = norm(x, 1e-8) * (scale + 1) + shift
    image = to_rgb(v, lod, x)
    return image if lod == 0 else (1 - blend) * enlarge(to_rgb(v, lod - 1, before)) + blend * image


def encode(v, x, lod, blend):
    """E in float64."""
    image, w = x, 0.0
    x = from_rgb(v, lod, image)
    for i in range(lod, -1, -1):
        part = 0.0
        for k in (1, 2):
            x = (
                convolve(x, v[f"E/block{i}/conv1/kernel"])
                if k == 1
                else pool(convolve(blur(x), v[f"E/block{i}/conv2/kernel"]))
            )
            x = leaky(x + v[f"E/block{i}/described{k}/bias"])
            described = np.hstack([x.mean(axis=(1, 2)), x.std(axis=(1, 2))])
            part = part + dense(v, f"E/block{i}/described{k}/style", described, np.sqrt(2))
            x = norm(x, 1e-5)
        if i == lod and lod:
            x = (1 - blend) * from_rgb(v, lod - 1, pool(image)) + blend * x
            part = blend * part
        w = w + part
    return w


@pytest.mark.parametrize(("lod", "blend"), [(0, 1.0), (1, 1.0), (1, 0.3), (2, 0.3), (2, 0.0)])
def test_both_networks_are_their_formulas(model, w, lod, blend):
    v = {name: array.astype(np.float64) for name, array in model.weights().items()}
    noise = model.sample_noise(4, seed=2, lod=lod)
    expected = generate(v, w.astype(np.float64), lod, blend, noise)
    np.testing.assert_allclose(model.generate(w, lod, blend, noise), expected, **STYLE)
    x = random_images(4, (4 * 2**lod,) * 2 + (2,))
    np.testing.assert_allclose(model.encode(x, lod, blend), encode(v, x.astype(np.float64), lod, blend), **STYLE)


# ---- levels and blends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lod", [0, 1, 2])
def test_every_level_has_its_size(model, w, lod):
    size = 4 * 2**lod
    x = model.generate(w, lod)
    assert (x.shape, x.dtype) == ((4, size, size, 2), np.float32)
    assert model.encode(x, lod).shape == (4, 7)
    assert model.discriminate(model.encode(x, lod)).shape == (4,)
    assert model.reconstruct(x, lod, 0.4).shape == x.shape
    assert model.level_of(x) == lod
    with pytest.raises(ValueError, match=rf"images must have shape \(batch, {size}, {size}, 2\), but have"):
        model.encode(x[:, :2], lod)


@pytest.mark.parametrize("lod", [1, 2])
def test_a_blend_of_0_is_the_level_below_and_of_1_this_one_alone(model, w, lod):
    noise = model.sample_noise(4, lod=lod)
    below = model.generate(w, lod - 1, noise=noise[: 2 * lod])
    np.testing.assert_allclose(model.generate(w, lod, 0.0, noise), enlarge(below), **STYLE)
    size = 4 * 2**lod
    x = random_images(4, (size, size, 2))
    np.testing.assert_allclose(model.encode(x, lod, 0.0), model.encode(pool(x), lod - 1), **STYLE)
    # A tensor takes the way that a step in training does.
    whole, images = ops.convert_to_tensor(np.float32(1.0)), ops.convert_to_tensor(x)
    maps = [ops.convert_to_tensor(each) for each in noise]
    traced = model.G(ops.convert_to_tensor(w), lod=lod, blend=whole, noise=maps)
    np.testing.assert_allclose(_numpy(traced), model.generate(w, lod, 1.0, noise), **STYLE)
    np.testing.assert_allclose(_numpy(model.E(images, lod=lod, blend=whole)), model.encode(x, lod, 1.0), **STYLE)


def _numpy(tensor):
    return ops.convert_to_numpy(ops.stop_gradient(tensor))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lod": 3}, "lod is 3, but the model has the levels 0 … 2"),
        ({"lod": -1}, "lod is -1, but the model has the levels 0 … 2"),
        ({"blend": 1.5}, "blend is 1.5, but must lie in 0 … 1"),
        ({"blend": float("nan")}, "blend is nan, but must lie in 0 … 1"),
        ({"noise": "none"}, "noise is 'none': it should be None, 'zero', 'bump' or a list of maps"),
        ({"noise": []}, r"noise must be maps of shapes .* but they have \[\]"),
        ({"noise": [np.zeros((4, 4, 4, 1))] * 6}, "noise must be maps of shapes"),
        ({"noise": [np.zeros((3, 4, 4, 1))] * 2, "lod": 0}, "noise must be maps of shapes"),
    ],
)
def test_what_cannot_be_is_said(model, w, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.generate(w, **arguments)


def test_only_style_networks_have_levels_noise_and_truncation(backend):
    from tests.conftest import tiny_config

    plain = alae.build(tiny_config())
    w = plain.map(plain.sample_prior(2))
    for wrong in ({"noise": "zero"}, {"lod": 0}, {"blend": 0.5}):
        with pytest.raises(ValueError, match="for style networks"):
            plain.generate(w, **wrong)
    with pytest.raises(ValueError, match="for style networks"):
        plain.truncate(w)


# ---- noise -----------------------------------------------------------------------------------------------------------


def test_noise_counts_as_its_weights_say(model, w):
    zero, given = model.generate(w, noise="zero"), model.sample_noise(4, seed=1)
    assert np.array_equal(zero, model.generate(w, noise="zero"))
    nothing = [np.zeros_like(each) for each in given]
    np.testing.assert_allclose(model.generate(w, noise=nothing), zero, **FLOAT32)
    assert np.abs(model.generate(w, noise=given) - zero).max() > 1e-3
    assert not np.array_equal(model.generate(w), model.generate(w)), "drawn anew at every call"
    fresh = alae.build(model.config)
    np.testing.assert_allclose(fresh.generate(w, noise=given), fresh.generate(w, noise="zero"), **FLOAT32)


def test_one_map_may_serve_the_batch_and_the_first_may_differ(model, w):
    given = model.sample_noise(1, seed=1)
    repeated = [np.repeat(each, 4, axis=0) for each in given]
    np.testing.assert_allclose(model.generate(w, noise=given), model.generate(w, noise=repeated), **FLOAT32)


@pytest.mark.parametrize("lod", [0, 2])
def test_the_authors_noise_off_is_a_bell_as_wide_as_its_block_is_fine(model, w, lod):
    v = {name: array.astype(np.float64) for name, array in model.weights().items()}
    expected = generate(v, w.astype(np.float64), lod, 1.0, "bump")
    np.testing.assert_allclose(model.generate(w, lod, noise="bump"), expected, **STYLE)


# ---- styles ----------------------------------------------------------------------------------------------------------


def test_truncation_draws_styles_to_their_mean(model, w):
    model.w_mean = np.linspace(-1, 1, 7, dtype=np.float32)
    styles = model.truncate(w, 1.0)
    assert styles.shape == (4, 6, 7)
    assert np.array_equal(styles, np.repeat(w[:, None], 6, axis=1))
    assert np.array_equal(model.truncate(w, 0.0), np.broadcast_to(model.w_mean, (4, 6, 7)))
    np.testing.assert_allclose(model.truncate(w), model.w_mean + 0.7 * (styles - model.w_mean), **FLOAT32)
    few = built(**THREE, networks__truncation_layers=2)
    few.w_mean = model.w_mean
    half = few.truncate(w, 0.5)
    np.testing.assert_allclose(half[:, :2], (styles[:, :2] + model.w_mean) / 2, **FLOAT32)
    assert np.array_equal(half[:, 2:], np.repeat(w[:, None], 4, axis=1))
    np.testing.assert_allclose(model.generate(styles, noise="zero"), model.generate(w, noise="zero"), **FLOAT32)


@pytest.mark.parametrize("cutoff", [1, 3, 5])
def test_layers_from_a_cutoff_on_change_only_what_is_finer(model, w, cutoff):
    """Up to the level whose layers all keep their style, the images are those of that style."""
    styles = np.repeat(w[:, None], 6, axis=1)
    mixed = np.where(np.arange(6)[:, None] < cutoff, styles, styles[::-1])
    same = cutoff // 2 - 1
    for lod in range(3):
        one, other = (model.generate(each, lod, noise="zero") for each in (styles, mixed))
        assert np.array_equal(one, other) == (lod <= same)


# ---- who takes part --------------------------------------------------------------------------------------------------


def test_weights_take_part_from_their_level_on(model):
    def levels(name):
        assert name in model.variables
        return [lod for lod in range(3) if takes_part(name, lod)]

    assert levels("G/const") == levels("F/dense0/kernel") == levels("D/dense2/bias") == [0, 1, 2]
    assert levels("G/block0/conv2/kernel") == levels("E/block0/conv2/kernel") == [0, 1, 2]
    assert levels("G/block1/styled1/noise") == levels("E/block1/described1/bias") == [1, 2]
    assert levels("G/block2/conv1/kernel") == [2]
    assert levels("G/to_rgb0/kernel") == levels("E/from_rgb0/bias") == [0, 1]
    assert levels("G/to_rgb1/bias") == [1, 2]
    assert levels("E/from_rgb2/kernel") == [2]


def test_what_takes_no_part_has_no_influence(model, w):
    weights, noise = model.weights(), model.sample_noise(4, lod=1)
    x = random_images(4, (8, 8, 2))
    before = model.generate(w, 1, 0.5, noise), model.encode(x, 1, 0.5)
    model.set_weights({name: a if takes_part(name, 1) else np.full_like(a, np.nan) for name, a in weights.items()})
    after = model.generate(w, 1, 0.5, noise), model.encode(x, 1, 0.5)
    model.set_weights(weights)
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one, other)
