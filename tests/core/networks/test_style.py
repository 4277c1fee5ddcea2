"""Style networks against NumPy; the effects of levels, blends, noise and styles; scales of weights."""

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core import View
from alae_core.networks import specs
from alae_core.networks.features import Conv
from alae_core.networks.layers import Dense
from alae_core.networks.specs import Section
from tests.conftest import random_images, slow, tiny_style_config
from tests.tolerances import FLOAT32, STYLE

pytestmark = pytest.mark.each_backend

THREE = {"image": [16, 16, 2], "growth__levels": [{"images": 8}] * 3}


def build_model(seed=1, **overrides):
    """Build a model with random changes to all weights, so that noise and biases have an effect."""
    model = alae.build(tiny_style_config(**overrides, seed=seed))
    rng = np.random.default_rng(seed)
    model.set_weights({n: w + 0.3 * rng.normal(size=w.shape).astype(np.float32) for n, w in model.weights().items()})
    return model


@pytest.fixture(scope="module")
def model(backend):
    return build_model(**THREE)


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
    """Compute G in float64; `w` is (batch, w), `noise` a map for each layer or "bump"."""
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
    """Compute E in float64."""
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
def test_g_and_e_equal_their_formulas(model, w, lod, blend):
    v = {name: array.astype(np.float64) for name, array in model.weights().items()}
    view = View(lod, blend)
    noise = model.sample_noise(4, seed=2, view=view)
    expected = generate(v, w.astype(np.float64), lod, blend, noise)
    np.testing.assert_allclose(model.generate(w, view, noise=noise), expected, **STYLE)
    x = random_images(4, (4 * 2**lod,) * 2 + (2,))
    np.testing.assert_allclose(model.encode(x, view), encode(v, x.astype(np.float64), lod, blend), **STYLE)


# ---- levels and blends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lod", [1, *slow(0, 2)])
def test_shapes_at_every_level(model, w, lod):
    size, view = 4 * 2**lod, View(lod)
    x = model.generate(w, view)
    assert (x.shape, x.dtype) == ((4, size, size, 2), np.float32)
    assert model.encode(x, view).shape == (4, 7)
    assert model.discriminate(model.encode(x, view)).shape == (4,)
    assert model.reconstruct(x, View(lod, 0.4)).shape == x.shape
    assert model.reencode(w, view).shape == model.w_of(x, view).shape == (4, 7)
    assert model.family.level_of(x) == lod


@pytest.mark.parametrize("lod", [1, 2])
def test_blend_0_gives_the_level_below_and_blend_1_this_level(model, w, lod):
    view, unseen = View(lod), View(lod, 0.0)
    noise = model.sample_noise(4, view=view)
    below = model.generate(w, View(lod - 1), noise=noise[: 2 * lod])
    np.testing.assert_allclose(model.generate(w, unseen, noise=noise), enlarge(below), **STYLE)
    x = random_images(4, (view.size, view.size, 2))
    np.testing.assert_allclose(model.encode(x, unseen), model.encode(pool(x), View(lod - 1)), **STYLE)
    # Training steps pass the blend as a tensor.
    whole, images = ops.convert_to_tensor(np.float32(1.0)), ops.convert_to_tensor(x)
    maps = [ops.convert_to_tensor(each) for each in noise]
    traced = model.G(ops.convert_to_tensor(w), lod=lod, blend=whole, noise=maps)
    np.testing.assert_allclose(_numpy(traced), model.generate(w, view, noise=noise), **STYLE)
    np.testing.assert_allclose(_numpy(model.E(images, lod=lod, blend=whole)), model.encode(x, view), **STYLE)


def _numpy(tensor):
    return ops.convert_to_numpy(ops.stop_gradient(tensor))


@pytest.mark.parametrize("blend", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("lod", [0, 1, 2])
def test_real_images_fade_like_generated_ones_and_keep_their_mean(model, lod, blend):
    view = View(lod, blend)
    x = random_images(3, (view.size, view.size, 2))
    found = model.as_seen(x, view)
    expected = (1 - blend) * enlarge(pool(x.astype(np.float64))) + blend * x if lod else x
    np.testing.assert_allclose(found, expected, **FLOAT32)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), x.mean(axis=(1, 2)), **FLOAT32)
    # Training steps pass the blend as a tensor.
    tensor = model.family.fade(ops.convert_to_tensor(x), blend=ops.convert_to_tensor(np.float32(blend)))
    np.testing.assert_allclose(_numpy(tensor), expected, **FLOAT32)


# ---- noise -----------------------------------------------------------------------------------------------------------


def test_noise_is_multiplied_by_its_weights(model, w):
    none, given = model.generate(w, noise="none"), model.sample_noise(4, seed=1)
    assert np.array_equal(none, model.generate(w, noise="none"))
    nothing = [np.zeros_like(each) for each in given]
    np.testing.assert_allclose(model.generate(w, noise=nothing), none, **FLOAT32)
    assert np.abs(model.generate(w, noise=given) - none).max() > 1e-3
    fresh = alae.build(model.config)
    np.testing.assert_allclose(fresh.generate(w, noise=given), fresh.generate(w, noise="none"), **FLOAT32)


def test_fixed_noise_is_the_same_for_all_images_and_calls(model, w):
    fixed = model.generate(w)
    assert np.array_equal(fixed, model.generate(w, noise="fixed"))
    np.testing.assert_allclose(fixed, model.generate(w, noise=model.sample_noise(1)), **FLOAT32)
    same = model.generate(np.repeat(w[:1], 3, axis=0))
    np.testing.assert_allclose(same, np.repeat(fixed[:1], 3, axis=0), **FLOAT32)
    np.testing.assert_allclose(model.generate(w[2:3]), fixed[2:3], **FLOAT32)


def test_random_noise_differs_between_images_and_calls(model, w):
    same = model.generate(np.repeat(w[:1], 3, axis=0), noise="random")
    assert min(np.abs(same[0] - same[1]).max(), np.abs(same[1] - same[2]).max()) > 1e-3
    assert not np.array_equal(model.generate(w, noise="random"), model.generate(w, noise="random"))


def test_one_noise_map_may_be_used_for_the_whole_batch(model, w):
    given = model.sample_noise(1, seed=1)
    repeated = [np.repeat(each, 4, axis=0) for each in given]
    np.testing.assert_allclose(model.generate(w, noise=given), model.generate(w, noise=repeated), **FLOAT32)


@pytest.mark.parametrize("lod", [0, 2])
def test_bump_noise_equals_the_authors_function(model, w, lod):
    v = {name: array.astype(np.float64) for name, array in model.weights().items()}
    expected = generate(v, w.astype(np.float64), lod, 1.0, "bump")
    np.testing.assert_allclose(model.generate(w, View(lod), noise="bump"), expected, **STYLE)


# ---- styles ----------------------------------------------------------------------------------------------------------


def test_truncation_pulls_styles_towards_their_mean(model, w):
    mean = np.linspace(-1, 1, 7, dtype=np.float32)
    model.w_mean.assign(mean)
    styles = model.truncate(w, 1.0)
    assert styles.shape == (4, 6, 7)
    assert np.array_equal(styles, np.repeat(w[:, None], 6, axis=1))
    assert np.array_equal(model.truncate(w, 0.0), np.broadcast_to(mean, (4, 6, 7)))
    np.testing.assert_allclose(model.truncate(w), mean + 0.7 * (styles - mean), **FLOAT32)
    few = build_model(**THREE, networks__truncation_layers=2)
    few.w_mean.assign(mean)
    half = few.truncate(w, 0.5)
    np.testing.assert_allclose(half[:, :2], (styles[:, :2] + mean) / 2, **FLOAT32)
    assert np.array_equal(half[:, 2:], np.repeat(w[:, None], 4, axis=1))
    np.testing.assert_allclose(model.generate(styles), model.generate(w), **FLOAT32)


@pytest.mark.parametrize("cutoff", [1, 3, 5])
def test_layers_from_a_cutoff_change_only_finer_levels(model, w, cutoff):
    """Images stay equal up to the last level at which all layers keep their style."""
    styles = np.repeat(w[:, None], 6, axis=1)
    mixed = np.where(np.arange(6)[:, None] < cutoff, styles, styles[::-1])
    same = cutoff // 2 - 1
    for lod in range(3):
        one, other = (model.generate(each, View(lod)) for each in (styles, mixed))
        assert np.array_equal(one, other) == (lod <= same)


# ---- levels and scales of weights ------------------------------------------------------------------------------------

#: the levels, of three, at which each weight is used, by the start of its name
ALWAYS, FIRST_TWO, LAST_TWO, LAST = [0, 1, 2], [0, 1], [1, 2], [2]
PERCEPTRON = {"": ALWAYS}
GENERATOR = {
    "const": ALWAYS,
    "block0/": ALWAYS,
    "block1/": LAST_TWO,
    "block2/": LAST,
    "to_rgb0/": FIRST_TWO,
    "to_rgb1/": LAST_TWO,
    "to_rgb2/": LAST,
}
DOWNWARDS = {
    "block0/": ALWAYS,
    "block1/": LAST_TWO,
    "block2/": LAST,
    "from_rgb0/": FIRST_TWO,
    "from_rgb1/": LAST_TWO,
    "from_rgb2/": LAST,
}
PLAIN = DOWNWARDS | {"head/": ALWAYS}


def table(choices):
    """Return the levels that use each weight, for ALAE and its ablations."""
    encoder = PLAIN if choices.get("networks__encoder") == "plain" else DOWNWARDS
    discriminator = PLAIN if choices.get("networks__discriminator") == "images" else PERCEPTRON
    return {"F": PERCEPTRON, "G": GENERATOR, "E": encoder, "D": discriminator}


ABLATIONS = pytest.mark.parametrize(
    "choices",
    [{}, {"networks__encoder": "plain"}, {"networks__discriminator": "images"}],
    ids=["style", "plain encoder", "discriminator of images"],
)


@ABLATIONS
def test_weights_are_used_at_the_levels_of_the_table(backend, choices):
    model, expected = alae.build(tiny_style_config(**THREE, **choices)), table(choices)
    seen = {network: set() for network in expected}
    for name in model.variables:
        network, weight = name.split("/", 1)
        (start,) = (start for start in expected[network] if weight.startswith(start))
        seen[network].add(start)
        assert [lod for lod in range(3) if model.family.takes_part(name, lod)] == expected[network][start], name
        assert model.family.takes_part(name, None)
    assert seen == {network: set(starts) for network, starts in expected.items()}


@ABLATIONS
def test_only_weights_that_are_used_influence_the_output(backend, choices):
    """A NaN in a used weight reaches the output."""
    model = build_model(**THREE, **choices)
    family, weights, view = model.family, model.weights(), View(1, 0.5)
    z, x = model.sample_prior(4), random_images(4, (8, 8, 2))
    noise = model.sample_noise(4, view=view)

    def compute(network):
        if network in "FG":
            return model.generate(model.map(z), view, noise=noise)
        codes = model.encode(x, view)
        if network == "E":
            return codes
        return model.discriminate(x if choices.get("networks__discriminator") == "images" else codes, view)

    before = {network: compute(network) for network in "GED"}
    model.set_weights({n: a if family.takes_part(n, 1) else np.full_like(a, np.nan) for n, a in weights.items()})
    assert all(np.array_equal(compute(network), found) for network, found in before.items())
    model.set_weights(weights)
    for name, variable in model.variables.items():
        if family.takes_part(name, 1):
            variable.assign(np.full_like(weights[name], np.nan))
            assert np.isnan(compute(name[0])).any(), name
            variable.assign(weights[name])


def constant(name, shape, choices):
    """Return the scale of a weight: gain / √fan_in · lrmul for a kernel, lrmul for a bias, 1 for others."""
    network, *_, layer, weight = name.replace("G/const", "G/-/const").split("/")
    perceptron = network == "F" or (network == "D" and choices.get("networks__discriminator") != "images")
    lrmul = 0.1 if perceptron else 1.0
    if weight != "kernel":
        return lrmul
    if layer.startswith("to_rgb"):
        gain = 0.03
    elif layer == "head" or (network == "G" and layer == "style"):
        gain = 1.0
    else:
        gain = np.sqrt(2)
    return gain / np.sqrt(np.prod(shape[:-1])) * lrmul


@ABLATIONS
def test_every_weight_has_its_scale(backend, choices):
    model = alae.build(tiny_style_config(**THREE, **choices))
    assert model.scales.keys() == model.variables.keys()
    for name, weight in model.variables.items():
        assert model.scales[name] == pytest.approx(constant(name, weight.shape, choices), rel=1e-12), name
    kinds = {name.split("/")[-1] for name in model.scales}
    assert kinds == {"kernel", "bias", "const", "noise"}


def test_layers_multiply_weights_by_their_scales(backend):
    """With an input and weights of ones, the output is the sum of scales."""
    conv = Conv(Section("conv", specs.convolution_layout(3, 5, 3, gain=0.7, bias=True), seed=1))
    dense = Dense(Section("dense", specs.dense_layout(3, 5, gain=0.7, lrmul=0.3), seed=1))
    one = [ops.ones((2, *shape)) for shape in ((1, 1, 3), (3,))]
    for layer, x, fan_in in ((conv, one[0], 27), (dense, one[1], 3)):
        layer.build()
        # A 3×3 kernel on one pixel uses only its middle.
        for weight in (layer.kernel, layer.bias):
            weight.assign(np.ones(weight.shape, np.float32))
        found = _numpy(layer(x)).ravel()
        scales = {name: spec.scale for name, spec in layer.section.layout.items()}
        np.testing.assert_allclose(found, 3 * scales["kernel"] + scales["bias"], **FLOAT32)
        assert scales["kernel"] == pytest.approx(0.7 / np.sqrt(fan_in) * scales["bias"])


# ---- labels ----------------------------------------------------------------------------------------------------------


def test_F_appends_the_label_to_z_with_the_norm_of_z(backend):
    model, labels = build_model(labels=3), np.array([0, 2, 1, 2])
    z, weights = model.sample_prior(4), model.weights()
    x = np.hstack([z / np.sqrt(np.mean(np.square(z), 1, keepdims=True)), np.sqrt(5) * np.eye(3)[labels]])
    for layer in range(2):
        x = leaky(0.1 * dense(weights, f"F/dense{layer}", x, np.sqrt(2)))
    np.testing.assert_allclose(model.map(z, labels=labels), x, **FLOAT32)
    assert np.abs(model.map(z, labels=labels[::-1]) - x)[0].max() > 1e-2


def test_D_on_w_selects_the_logit_of_the_class(backend):
    model, labels = build_model(labels=3), np.array([0, 2, 1, 2])
    w = logits = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
    for layer in range(3):
        logits = 0.1 * dense(model.weights(), f"D/dense{layer}", logits, np.sqrt(2))
    assert logits.shape == (4, 3)
    np.testing.assert_allclose(model.discriminate(w, labels=labels), logits[range(4), labels], **FLOAT32)


def test_D_on_images_selects_the_logit_of_the_class(backend):
    model = build_model(labels=3, networks__discriminator="images")
    x, weights = random_images(4, (8, 8, 2)), model.weights()
    found = [model.discriminate(x, labels=np.full(4, label)) for label in range(3)]
    assert np.abs(found[0] - found[1]).max() > 1e-2
    swapped = {f"D/head/{kind}": np.roll(weights[f"D/head/{kind}"], 1, axis=-1) for kind in ("kernel", "bias")}
    model.set_weights(weights | swapped)
    for label in range(3):
        moved = model.discriminate(x, labels=np.full(4, (label + 1) % 3))
        np.testing.assert_allclose(moved, found[label], **FLOAT32)


def test_reconstructions_need_labels_if_E_estimates_z(backend):
    model, labels = build_model(labels=3, reciprocity="z", networks__z=7), np.array([0, 2])
    x = random_images(2, (8, 8, 2))
    expected = model.generate(model.map(model.encode(x), labels=labels))
    np.testing.assert_allclose(model.reconstruct(x, labels=labels), expected, **STYLE)
    with pytest.raises(alae.ArgumentError, match="labels are missing"):
        model.reconstruct(x)
