"""The reference's gradients and steps, checked without Keras or a backend."""

from copy import copy
from itertools import product

import numpy as np
import pytest

from alae_conformance.reference.baselines import reference_of
from alae_conformance.reference.draws import draw_styles
from alae_conformance.reference.features import Conv, StrideConv
from alae_conformance.reference.growth import position, show_at_level
from alae_conformance.reference.layers import Pair, PixelNorm, Tanh
from alae_conformance.reference.linear import Blur, Centre, Downsample, Upsample, UpsampleBilinear
from alae_conformance.reference.losses import OBJECTIVES
from alae_conformance.reference.statistics import Spread, Statistics
from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import Batch
from alae_core import growth
from alae_core.config import make_config
from alae_core.draws import Draws
from alae_core.groups import BUNDLES, Augment
from alae_core.streams import mixing_cutoff, noise_shapes, sample_prior
from tests.conftest import TINY_CONV, slow, tiny_config, tiny_style_config
from tests.tolerances import CENTRAL_DIFFERENCE, COMPLEX_STEP

#: the two bundles, and two mixtures of them
UPDATES = {
    "paper": "paper",
    "official": "official",
    "crossed": {"adam": "shared", "distance": "sum", "target": "followed", "trains_F": True},
    "recrossed": {"adam": "own", "distance": "sum", "target": "constant", "trains_F": True},
}
#: the bundle that closes the loop in w in the adversarial updates, and variants of it
JOINT = {
    "joint": "joint",
    "followed": BUNDLES["joint"].model_dump() | {"target": "followed", "weight": 0.3, "distance": "sum"},
    "untrained": BUNDLES["joint"].model_dump() | {"trains_F": False, "weight": 2.5, "adam": "shared"},
}
UPDATES |= JOINT
CHOICES = [
    pytest.param(
        updates, reciprocity, curved, objective, labels, id=f"{updates}-{reciprocity}-{curved}-{objective}-{labels}"
    )
    for updates, reciprocity, curved, (objective, labels) in product(
        ("paper", "official", "crossed", "recrossed"),
        ("latent", "data", "both"),
        ("leaky", "curved"),
        (("logistic", 0), ("wasserstein", 3), ("hinge", 0)),
    )
]


def problem(updates="paper", reciprocity="latent", curved="curved", objective="logistic", labels=0, **choices):
    """Return a reference, random weights including biases, and a batch."""
    rng = np.random.default_rng(7)
    choice = {"slope": 1.0, "pixel_norm": True} if curved == "curved" else {}
    networks = {f"networks__{name}__{key}": value for name in "FGED" for key, value in choice.items()}
    config = tiny_config(
        updates=UPDATES[updates],
        reciprocity=reciprocity,
        objective=objective,
        labels=labels,
        r1_gamma=3.0,
        **networks,
        **choices,
    )
    reference = reference_of(config)(config)
    weights = {name: rng.normal(0, 0.6, shape) for name, shape in reference.shapes.items()}
    one_hot = np.eye(labels)[rng.integers(0, labels, 6)] if labels else None
    z = rng.normal(size=(6, config.networks.z))
    return reference, weights, Batch(rng.uniform(-1, 1, (6, 4, 3, 2)), z, one_hot)


STYLE = {
    "specification": 2,
    "image": [8, 8, 2],
    "networks": {"family": "style", "z": 3, "w": 4, "startf": 2, "maxf": 3, "mapping_layers": 2},
    "growth": {"levels": [{"images": 8}, {"images": 18, "batch_size": 3, "learning_rate": 0.5, "fade": 0.5}]},
    "batch_size": 4,
    "adam": {"learning_rate": 0.1},
    "r1_gamma": 3.0,
}


def style_problem(lod, blend, count=2, **choices):
    """Return a problem for style networks at a level of detail; for ALAE, styles are mixed from the second layer on."""
    rng = np.random.default_rng(8)
    config = make_config(STYLE, choices)
    reference = reference_of(config)(config)
    weights = {name: rng.normal(0, 0.7, shape) for name, shape in reference.shapes.items()}
    for name in weights.keys() & {"D/dense2/kernel", "C/dense2/kernel"}:
        weights[name] *= 1000  # otherwise three dense layers of lrmul 0.1 make the logits almost zero
    images = rng.uniform(-1, 1, (count, 4 * 2**lod, 4 * 2**lod, 2))
    noise = [rng.normal(size=shape) for shape in noise_shapes(lod, count)]
    z, mix = rng.normal(size=(2, count, config.networks.z))
    if config.algorithm != "alae":
        return reference, weights, Batch(images, z, noise=noise, blend=blend)
    return reference, weights, Batch(images, z, None, mix, 1, noise, blend)


def loss_at_constant_target(reference, update, held, weights, batch):
    """Return the loss at the weights `held` for what is constant: a target F(z), or F in a loop that does not train it.

    Only F's weights are perturbed where this matters.
    """
    choices, of_loop = reference.config.updates, copy(reference)
    if update == "generator" and reference.closes_in_adversarial_updates() and not choices.trains_F:
        code, reference = of_loop.code, of_loop
        reference.code = lambda weights, batch: code(held, batch)
    elif update in ("reciprocity", "generator") and choices.target == "constant":
        target = reference.networks["F"].forward(held, batch.z).output.value
        reference = of_loop
        distance, of_z = reference.distance, reference.config.reciprocity == "z"
        reference.distance = lambda w, e: distance(target if w.shape == target.shape and not of_z else w, e)
    return getattr(reference, update)(weights, batch)[0]


def assert_gradients_equal_complex_steps(reference, weights, batch, updates=None):
    """Compare with Im loss(weight + ih) / h, exact to rounding because nothing is subtracted. Includes R1."""
    rng = np.random.default_rng(1)
    for update in updates or reference.trains():
        _, gradients = reference.differentiate(update, weights, batch)
        assert {name[0] for name in gradients} == set(reference.trains()[update])
        for name, gradient in gradients.items():
            direction = rng.normal(size=gradient.shape)
            moved = weights | {name: weights[name] + 1e-30j * direction}
            found = loss_at_constant_target(reference, update, weights, moved, batch).imag / 1e-30
            scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
            assert abs(found - np.sum(gradient * direction)) <= COMPLEX_STEP * max(scale, 1e-3), (update, name)


@pytest.mark.parametrize(("updates", "reciprocity", "curved", "objective", "labels"), CHOICES)
def test_gradients_equal_complex_steps(updates, reciprocity, curved, objective, labels):
    assert_gradients_equal_complex_steps(*problem(updates, reciprocity, curved, objective, labels))


@pytest.mark.parametrize(
    ("lod", "blend", "updates", "reciprocity"),
    [
        (0, 1.0, "official", "latent"),
        (1, 0.3, "crossed", "latent"),
        *slow((1, 0.3, "official", "both"), (1, 0.3, "paper", "latent"), (1, 1.0, "paper", "data")),
    ],
)
def test_gradients_of_style_networks_equal_complex_steps(lod, blend, updates, reciprocity):
    assert_gradients_equal_complex_steps(*style_problem(lod, blend, updates=UPDATES[updates], reciprocity=reciprocity))


@pytest.mark.parametrize("updates", UPDATES)
def test_gradients_of_reciprocity_in_z_equal_complex_steps(updates):
    assert_gradients_equal_complex_steps(*problem(updates, "z", networks__z=6, networks__w=6))


#: changes of the tiny conv model
CONV = {"networks.w": 6, "networks.residual": 2, "batch_size": 3, "r1_gamma": 3.0}


def conv_problem(**choices):
    """Return a problem for conv networks."""
    rng = np.random.default_rng(9)
    config = make_config(TINY_CONV, CONV | choices)
    reference = reference_of(config)(config)
    weights = {
        name: rng.normal(0, 1.3 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.3, shape)
        for name, shape in reference.shapes.items()
    }
    one_hot = np.eye(config.labels)[rng.integers(0, config.labels, 3)] if config.labels else None
    z = rng.normal(size=(3, config.networks.z))
    return reference, weights, Batch(rng.uniform(-1, 1, (3, *config.image)), z, one_hot)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"updates": "paper", "labels": 3},
        {"updates": JOINT["followed"], "objective": "relativistic", "r2_gamma": 2.0},
        {"updates": JOINT["untrained"], "reciprocity": "latent", "networks.output": "linear"},
        {"networks.widths": [3, 2, 3], "image": [16, 20, 1], "networks.residual": 1, "networks.normalize_w": False},
        {"updates": "official", "reciprocity": "z", "networks.z": 6, "objective": "hinge"},
        {"algorithm": "autoencoder", "labels": 2},
        {"algorithm": "vae", "networks.normalize_w": False, "networks.z": 6},
        {"algorithm": "bigan", "networks.normalize_w": False, "networks.z": 6, "objective": "relativistic"},
    ],
    ids=str,
)
def test_gradients_of_conv_networks_equal_complex_steps(choices):
    assert_gradients_equal_complex_steps(*conv_problem(**choices))


@pytest.mark.parametrize("updates", JOINT)
@pytest.mark.parametrize("reciprocity", ["latent", "data", "both"])
@pytest.mark.parametrize("curved", ["leaky", "curved"])
@pytest.mark.parametrize(("objective", "labels"), [("logistic", 3), ("relativistic", 0)])
def test_gradients_of_joint_updates_equal_complex_steps(updates, reciprocity, curved, objective, labels):
    assert_gradients_equal_complex_steps(*problem(updates, reciprocity, curved, objective, labels))


@pytest.mark.parametrize("updates", ["paper", "joint", "followed"])
@pytest.mark.parametrize("objective", ["logistic", "relativistic"])
@pytest.mark.parametrize("choices", [{"r2_gamma": 2.0}, {"networks__output": "tanh"}, {"networks__normalize_w": True}])
def test_gradients_of_r2_tanh_and_normalized_w_equal_complex_steps(updates, objective, choices):
    assert_gradients_equal_complex_steps(*problem(updates, "both", objective=objective, **choices))


@pytest.mark.parametrize("updates", JOINT)
def test_gradients_of_joint_updates_of_style_networks_equal_complex_steps(updates):
    """The loop in w has no mixed styles, and its images are not augmented."""
    choices = {"updates": UPDATES[updates], "augment": {"p": 0.5}, "objective": "relativistic", "r2_gamma": 2.0}
    reference, weights, batch = style_problem(1, 0.3, **choices)
    batch = batch._replace(augment=np.random.default_rng(3).random((2, 16)), p=0.5)
    assert_gradients_equal_complex_steps(reference, weights, batch)


@pytest.mark.parametrize("algorithm", ["autoencoder", "vae", "bigan"])
@pytest.mark.parametrize("objective", ["logistic", "hinge", "relativistic"])
@pytest.mark.parametrize("labels", [0, 3])
def test_gradients_of_baselines_equal_complex_steps(algorithm, objective, labels):
    same = {"networks__z": 6, "networks__w": 6}
    assert_gradients_equal_complex_steps(
        *problem("official", objective=objective, labels=labels, algorithm=algorithm, **same)
    )


@pytest.mark.parametrize(
    ("choices", "count"),
    [
        ({"networks.encoder": "plain"}, 2),
        ({"networks.discriminator": "images"}, 3),
        ({"networks.encoder": "plain", "networks.discriminator": "images"}, 6),
        ({"algorithm": "bigan", "networks.z": 4}, 2),
        ({"algorithm": "vae", "networks.z": 4, "networks.encoder": "plain"}, 2),
    ],
    ids=str,
)
@pytest.mark.parametrize(("lod", "blend"), [(0, 1.0), *slow((1, 0.3))])
def test_gradients_of_other_style_networks_equal_complex_steps(choices, count, lod, blend):
    """Includes the standard deviation within the batch, for batches of 1, 1.5 and less than 1 group."""
    assert_gradients_equal_complex_steps(*style_problem(lod, blend, count, **choices))


def test_the_evidence_lower_bound_has_its_closed_form():
    """E and V return the prior for every image, so the divergence is 0; G returns 0."""
    reference, weights, batch = problem(algorithm="vae", networks__z=6, networks__w=6)
    still = {name: np.zeros_like(weight) for name, weight in weights.items()}
    loss, gradients = reference.evidence(still, batch)
    np.testing.assert_allclose(loss, np.square(batch.images).sum() / 6, rtol=1e-12)
    assert not any(np.any(gradients[name]) for name in gradients if name[0] in "EV")
    # With μ = 2 and log σ² = ln 4, each of the six numbers of w adds ½ (4 + 4 − ln 4 − 1).
    last = {name: max(each for each in weights if each.startswith(name) and each.endswith("bias")) for name in "EV"}
    still[last["E"]], still[last["V"]] = np.full(6, 2.0), np.full(6, np.log(4.0))
    np.testing.assert_allclose(reference.evidence(still, batch)[0] - loss, 6 * (7 - np.log(4)) / 2, rtol=1e-12)


def test_the_spread_of_a_batch_has_its_closed_form():
    """The spread of two images a and b is |a − b| / 2; that of two equal images is √ε."""
    x = np.zeros((4, 2, 2, 1))
    x[0], x[2] = 3.0, 1.0
    found = Spread(size=2).forward({}, Pair(x)).value
    np.testing.assert_array_equal(found[..., :1], x)
    np.testing.assert_allclose(found[:, :, :, 1], np.array([1, 1e-4, 1, 1e-4])[:, None, None] * np.ones((4, 2, 2)))


@pytest.mark.parametrize("update", ["discriminator", "generator"])
def test_gradients_pass_through_augmentation(update):
    """At p = 0.5 some images are changed; at p = 0 loss and gradients equal those without augmentation."""
    reference, weights, batch = problem()
    plain = reference.differentiate(update, weights, batch)
    reference.config = reference.config.model_copy(update={"augment": Augment(p=0.5)})
    batch = batch._replace(augment=np.random.default_rng(3).random((6, 16)), p=0.5)
    assert_gradients_equal_complex_steps(reference, weights, batch, (update,))
    assert reference.differentiate(update, weights, batch)[0] != plain[0]
    loss, gradients = reference.differentiate(update, weights, batch._replace(p=0.0))
    np.testing.assert_allclose(loss, plain[0], rtol=COMPLEX_STEP)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, plain[1][name], rtol=COMPLEX_STEP, atol=COMPLEX_STEP)


@pytest.mark.parametrize("update", ["discriminator", "generator", "reciprocity"])
def test_gradients_equal_central_differences_with_a_second_order_remainder(update):
    reference, weights, batch = problem()
    _, gradients = reference.differentiate(update, weights, batch)
    rng = np.random.default_rng(2)
    direction = {name: rng.normal(size=gradient.shape) for name, gradient in gradients.items()}
    slope = sum(np.sum(gradients[name] * direction[name]) for name in gradients)

    def loss(h):
        moved = weights | {name: weights[name] + h * direction[name] for name in gradients}
        return reference.differentiate(update, moved, batch)[0]

    np.testing.assert_allclose((loss(1e-5) - loss(-1e-5)) / 2e-5, slope, rtol=CENTRAL_DIFFERENCE)
    steps = np.array([1e-4, 1e-5])
    remainders = [abs(loss(h) - loss(0) - h * slope) for h in steps]
    order = np.diff(np.log(remainders)) / np.diff(np.log(steps))
    assert 1.8 < order[0] < 2.2
    # With a gradient that is wrong by 1 %, the remainder is of first order.
    wrong = [abs(loss(h) - loss(0) - 1.01 * h * slope) for h in steps]
    assert (np.diff(np.log(wrong)) / np.diff(np.log(steps)))[0] < 1.5


def test_the_input_gradient_equals_the_complex_step_of_each_logit():
    reference, weights, batch = problem()
    _, gradient = reference.input_gradient(weights, batch)
    for pixel in ((0, 0, 0), (3, 2, 1), (1, 0, 1)):
        moved = batch.images.astype(complex)
        moved[(slice(None), *pixel)] += 1e-30j
        logits, _ = reference.input_gradient(weights, batch._replace(images=moved))
        np.testing.assert_allclose(logits.imag / 1e-30, gradient[(slice(None), *pixel)], rtol=1e-10)


@pytest.mark.parametrize(
    "layer",
    [
        PixelNorm(),
        PixelNorm((1, 2), 1e-5),
        Statistics(),
        Spread(),
        Blur(),
        Conv("c", 0.5),
        StrideConv("s"),
        UpsampleBilinear(),
        Tanh(),
    ],
    ids=[
        "pixel norm",
        "instance norm",
        "statistics",
        "spread",
        "blur",
        "convolution",
        "stride convolution",
        "bilinear",
        "tanh",
    ],
)
def test_a_layers_tangent_is_the_derivative_along_its_direction(layer):
    rng = np.random.default_rng(3)
    shape = (4, 5) if layer == PixelNorm() else (3, 4, 4, 2)
    x, direction, weights = rng.normal(size=shape), rng.normal(size=shape), {"c/kernel": rng.normal(size=(3, 3, 2, 5))}
    weights["s/kernel"] = rng.normal(size=(4, 4, 2, 5))
    pair = layer.forward(weights, Pair(x, direction))
    stepped = layer.forward(weights, Pair(x + 1e-30j * direction)).value
    np.testing.assert_allclose(pair.tangent, stepped.imag / 1e-30, rtol=1e-12)


@pytest.mark.parametrize(
    "layer", [Upsample(), UpsampleBilinear(), Downsample(), Blur(), Centre()], ids=lambda layer: type(layer).__name__
)
def test_a_linear_layer_and_its_transpose_are_adjoint(layer):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2, 4, 6, 3))
    y = rng.normal(size=layer.apply(x).shape)
    np.testing.assert_allclose(np.sum(layer.apply(x) * y), np.sum(x * layer.transposed(y)), rtol=1e-12)


def test_a_convolution_of_one_pixel_is_the_rotated_kernel():
    """A single pixel gives the kernel rotated by 180° around it."""
    x, weights = np.zeros((1, 5, 5, 1)), {"c/kernel": np.arange(9.0).reshape(3, 3, 1, 1)}
    x[0, 1, 2, 0] = 1.0
    y = Conv("c", 2.0).forward(weights, Pair(x)).value[0, :, :, 0]
    np.testing.assert_array_equal(y[:3, 1:4], 2 * np.arange(9.0).reshape(3, 3)[::-1, ::-1])
    assert np.count_nonzero(y) == 8
    blurred = Blur().apply(x)[0, :, :, 0]
    np.testing.assert_array_equal(blurred[:3, 1:4] * 16, [[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    assert blurred.sum() == 1


def test_bilinear_doubling_of_a_ramp_is_a_finer_ramp():
    """Inside, the map of a linear function is the same function at twice the density; the border repeats."""
    x = np.arange(4.0)[None, :, None, None] + 10 * np.arange(3.0)[None, None, :, None]
    y = UpsampleBilinear().apply(x)[0, :, :, 0]
    rows, columns = [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], [0, 0.25, 0.75, 1.25, 1.75, 2]
    np.testing.assert_allclose(y, np.add.outer(rows, np.multiply(10, columns)), rtol=1e-13)


def test_a_stride_convolution_sees_one_row_before_its_pixels():
    """Output pixel (i, j) is the sum of kernel[a, b] · x[2i − 1 + a, 2j − 1 + b]."""
    kernel, x = np.arange(16.0).reshape(4, 4, 1, 1), np.zeros((1, 6, 8, 1))
    x[0, 2, 5, 0] = 1.0
    y = StrideConv("s").forward({"s/kernel": kernel}, Pair(x)).value[0, :, :, 0]
    expected = np.zeros((3, 4))
    expected[1, 2:4], expected[0, 2:4] = kernel[1, [2, 0], 0, 0], kernel[3, [2, 0], 0, 0]
    np.testing.assert_array_equal(y, expected)


TERMS = [
    pytest.param(getattr(objective, term), id=f"{name}-{term}")
    for name, objective in OBJECTIVES.items()
    for term in ("real", "fake", "generator")
    if getattr(objective, term)
]


@pytest.mark.parametrize("term", TERMS)
def test_each_term_has_its_derivative_even_where_exp_overflows(term):
    logits = np.array([-800.0, -90.0, -3.0, -0.5, 0.5, 3.0, 90.0, 800.0])
    values, slopes = term(logits)
    stepped, _ = term(logits + 1e-30j)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(stepped.imag / 1e-30, slopes, rtol=1e-12)


def test_softplus_has_its_known_values():
    fake, _ = OBJECTIVES["logistic"].fake(np.array([0.0, -1000.0, 1000.0, 1.0]))
    np.testing.assert_allclose(fake, [np.log(2), 0.0, 1000.0, np.log(1 + np.e)], rtol=1e-15)


def test_the_r1_penalty_has_its_closed_form():
    """With one linear layer each, D(E(x)) = x·k, and R1 is γ/2 ‖k‖² for every x."""
    choice = {f"networks__{name}__hidden": [] for name in "FGED"}
    reference = Reference(tiny_config(r1_gamma=3.0, **choice))
    _, _, batch = problem()
    weights = {name: np.zeros(shape) for name, shape in reference.shapes.items()}
    rng = np.random.default_rng(4)
    for name in ("E/dense0/kernel", "D/dense0/kernel"):
        weights[name] = rng.normal(size=weights[name].shape)
    k = weights["E/dense0/kernel"] @ weights["D/dense0/kernel"]
    logits = batch.images.reshape(6, -1) @ k[:, 0]
    expected = np.log(2) + np.log1p(np.exp(-logits)).mean() + 1.5 * np.sum(k**2)
    loss, _ = reference.discriminator(weights, batch)
    np.testing.assert_allclose(loss, expected, rtol=1e-13)


def test_adam_has_its_closed_form():
    """For a constant gradient g, m = (1 − β1ᵗ) g and v = (1 − β2ᵗ) g², so each step is rate · g / (|g| + ε')."""
    reference = Reference(tiny_config(adam__beta1=0.5, adam__epsilon=1e-3, adam__warmup=0.0))
    g, value, m, v = np.array([2.0, -1e-3]), np.zeros(2), np.zeros(2), np.zeros(2)
    for t in range(1, 6):
        before = value
        value, m, v = reference.adam(value, m, v, g, t, 0.1)
        correction = np.sqrt(1 - 0.99**t)
        np.testing.assert_allclose(value - before, -0.1 * g / (np.abs(g) + 1e-3 / correction), rtol=1e-12)


def test_frozen_weights_moments_and_counts_stay():
    """F/dense1 and D are frozen: F's count still advances, D's does not."""
    reference = Reference(tiny_config(freeze=["F.dense1", "D"]))
    _, weights, batch = problem()
    before = reference.initial_state(weights)
    after, _ = reference.step(before, batch.images, dict.fromkeys(reference.trains(), Draws(batch.z)))
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert not any("F/dense1" in name or "/D/" in name or "F/m/dense1" in name for name in moved)
    assert {"adam/generator/F/t", "weights/F/dense0/kernel", "adam/discriminator/E/t"} <= moved


def test_averages_halve_their_distance_after_the_half_life():
    reference = Reference(tiny_config(average_halflife=30.0))  # five steps of six images
    _, weights, batch = problem()
    state = reference.initial_state(weights)
    state |= {name: array + 1 for name, array in state.items() if name.startswith("averages/")}
    for _ in range(5):
        state, _ = reference.step(state, batch.images, {})
    for name, weight in weights.items():
        np.testing.assert_allclose(state[f"averages/{name}"] - weight, 0.5, rtol=1e-12)
    assert state["step"] == 5


def test_the_half_life_of_averages_grows_with_the_images_shown():
    """Averages equal the weights after the first step; later their half-life is 0.5 · 6t, up to 12 images."""
    reference = Reference(tiny_config(average_halflife=12.0, average_warmup=0.5))
    decays = [position(reference.config, step).average_decay for step in range(6)]
    np.testing.assert_allclose(decays, [0, *0.5 ** (6 / np.array([3, 6, 9, 12, 12]))], rtol=1e-12)
    state = reference.initial_state({name: np.ones(shape) for name, shape in reference.shapes.items()})
    state |= {name: array + 1 for name, array in state.items() if name.startswith("averages/")}
    state, _ = reference.step(state, np.zeros((6, 4, 3, 2)), {})
    assert all(np.array_equal(state[name], np.ones_like(state[name])) for name in state if name.startswith("averages/"))


def test_rate_and_gamma_follow_half_a_cosine_after_their_constant_part():
    """After 0, 6, 12, 18, 24 and 30 of 24 images, of which 12 are constant; γ goes from 8 to 2, the rate to a tenth."""
    schedule = {"images": 24, "constant": 0.5, "rate_end": 0.1, "r1_gamma_end": 2.0}
    config = tiny_config(schedule=schedule, r1_gamma=8.0, adam__learning_rate=0.5)
    found = [position(config, step) for step in range(6)]
    np.testing.assert_allclose([at.learning_rate for at in found], [0.5, 0.5, 0.5, 0.275, 0.05, 0.05], rtol=1e-12)
    np.testing.assert_allclose([at.r1_gamma for at in found], [8, 8, 8, 5, 2, 2], rtol=1e-12)
    constant = tiny_config(schedule=schedule | {"images": None, "r1_gamma_end": None})
    assert {(at.learning_rate, at.r1_gamma) for at in (position(constant, step) for step in range(9))} == {
        (constant.adam.learning_rate, None)
    }


def test_the_schedule_of_a_growing_run_counts_the_images_of_all_levels():
    """Two steps of 4 images, then steps of 3; the rate of the second level is halved along its way."""
    config = make_config(STYLE, {"schedule": {"images": 20, "constant": 0.4, "rate_end": 0.5}})
    found = [position(config, step).learning_rate for step in range(8)]
    eased = [(1 - np.cos(np.pi * part / 4)) / 2 for part in range(5)]
    np.testing.assert_allclose(found, [0.1, 0.1, *(0.5 - 0.25 * part for part in eased), 0.25, 0.25][:8], rtol=1e-12)


def test_updates_are_done_at_every_kth_step():
    joint = Reference(tiny_config(updates="joint", reciprocity="both"))
    both = ["discriminator", "generator"]
    assert [joint.due(step) for step in range(5)] == [[*both, "pixels"], both, both, both, [*both, "pixels"]]
    own = Reference(tiny_config(updates=BUNDLES["paper"].model_dump() | {"every": 2}))
    assert [own.due(step) for step in range(3)] == [[*both, "reciprocity"], both, [*both, "reciprocity"]]
    assert Reference(tiny_config(updates="joint", reciprocity="latent")).due(0) == both


def test_updates_are_sequential_and_count_the_networks_they_train():
    reference, weights, batch = problem(updates="official")
    state = reference.initial_state(weights)
    together, losses = reference.step(state, batch.images, dict.fromkeys(reference.trains(), Draws(batch.z)))
    apart = state
    for update in reference.trains():
        apart, loss = reference.step(apart, batch.images, {update: Draws(batch.z)})
        assert loss[update] == losses[update]
    for name in (name for name in state if name.startswith(("weights/", "adam/"))):
        assert np.array_equal(together[name], apart[name]), name
    counts = {name.split("/")[2]: int(together[name]) for name in together if name.endswith("/t")}
    assert counts == {"E": 2, "D": 1, "F": 2, "G": 2}


def test_growth_follows_its_schedule():
    """Two steps of 4 images; then six of 3, of which three fade, with blends ½ − ½cos(π · {0, ⅓, ⅔})."""
    config = make_config(STYLE)
    found = [position(config, step) for step in range(9)]
    assert [at.lod for at in found] == [0, 0, 1, 1, 1, 1, 1, 1, 1]
    np.testing.assert_allclose([at.blend for at in found], [1, 1, 0, 0.25, 0.75, 1, 1, 1, 1], rtol=1e-12)
    assert [at.batch_size for at in found] == [4, 4] + 7 * [3]
    assert [at.learning_rate for at in found] == [0.1, 0.1] + 7 * [0.5]
    assert [at.restarts for at in found] == [False, False, True] + 6 * [False]


def test_growth_continues_from_the_images_of_each_level():
    """After 4 steps, 8 and 6 images: steps of 2 at the second level, of which 9 images fade, so two more fade."""
    config = make_config(STYLE, {"growth.levels.1.batch_size": 2, "resumed": {"step": 4, "shown": [8, 6]}})
    found = [position(config, step) for step in range(4, 8)]
    assert [(at.lod, at.batch_size, at.restarts) for at in found] == [(1, 2, False)] * 4
    np.testing.assert_allclose([at.blend for at in found], [0.75, (1 - np.cos(np.pi * 8 / 9)) / 2, 1, 1], rtol=1e-12)
    for size in (1, 3, 5):
        config = make_config(STYLE, {"growth.levels.1.batch_size": size, "resumed": {"step": 1, "shown": [4, 0]}})
        for step in range(1, 12):
            at, expected = position(config, step), growth.position(config, step)
            assert (at.lod, at.batch_size, at.restarts) == (*expected.stage[:2], expected.restarts)
            assert at.blend == pytest.approx(expected.blend)


def test_real_images_are_downsampled_and_faded():
    images = np.arange(64.0).reshape(1, 8, 8, 1)
    np.testing.assert_array_equal(show_at_level(images, 0, 1.0)[0, :, :, 0], images[0, ::2, ::2, 0] + 4.5)
    np.testing.assert_array_equal(show_at_level(images, 1, 1.0), images)
    faded = show_at_level(images, 1, 0.25)
    np.testing.assert_array_equal(faded[0, :2, :2, 0], 0.75 * 4.5 + 0.25 * images[0, :2, :2, 0])


def test_the_mean_of_w_moves_before_each_update_with_the_current_f():
    reference, weights, batch = style_problem(0, 1.0)
    drawn = Draws(batch.z, batch.mix, batch.cutoff, batch.noise)
    state = reference.initial_state(weights)
    after, _ = reference.step(state, batch.images, {"generator": drawn, "reciprocity": drawn._replace(mix=None)})
    mean = np.zeros(4)
    moved = weights | {name.removeprefix("weights/"): after[name] for name in after if name.startswith("weights/F")}
    for F in (weights, moved):  # the paper's reciprocity does not train F
        mean = 0.995 * mean + 0.005 * reference.networks["F"].forward(F, batch.z).output.value.mean(0)
    np.testing.assert_allclose(after["w_mean"], mean, rtol=1e-12)


def test_adam_is_reset_at_a_new_level_and_skips_weights_that_the_level_does_not_use():
    reference, weights, batch = style_problem(1, 1.0, updates="official")
    states = [reference.initial_state(weights)]
    for step in range(3):
        lod = position(reference.config, step).lod
        draws = Draws(batch.z, noise=batch.noise[: 2 * (lod + 1)])
        states.append(reference.step(states[-1], batch.images, dict.fromkeys(reference.trains(), draws))[0])
    start, _, grown, faded = states
    later = [name for name in start if "block1" in name or "rgb1" in name]
    assert later
    assert all(np.array_equal(start[name], grown[name]) for name in later)
    assert grown["adam/encoder/E/v/block0/conv1/kernel"].any()
    assert [int(state["adam/encoder/E/t"]) for state in states] == [0, 2, 4, 2]
    assert not np.array_equal(grown["weights/G/block0/conv2/kernel"], faded["weights/G/block0/conv2/kernel"])


def test_mixing_cutoffs_cover_all_layers_and_match_the_specification():
    config = tiny_style_config()
    steps, probability = 400, config.style.style_mixing
    found = [draw_styles(config, "generator", step, 3, lod=1) for step in range(steps)]
    counts = np.bincount([cutoff for *_, cutoff in found], minlength=5)
    expected = probability / 4 + np.array([0, 0, 0, 1 - probability])
    assert counts[0] == 0
    # Five standard deviations of a fixed stream.
    assert (np.abs(counts[1:] / steps - expected) < 5 * np.sqrt(expected * (1 - expected) / steps)).all()
    for step, (z, mix, cutoff) in enumerate(found):
        given = {"seed": config.seed, "position": step}
        assert cutoff == mixing_cutoff(probability, 1, purpose="cutoff/generator", **given)
        assert np.array_equal(z, sample_prior(3, config.networks.z, purpose="z/generator", **given))
        assert np.array_equal(mix, sample_prior(3, config.networks.z, purpose="mix/generator", **given))
    assert draw_styles(config, "reciprocity", 0, 3, lod=1)[1:] == (None, None)
    assert draw_styles(config, "generator", 0, 3, lod=None)[1:] == (None, None)
    plain = tiny_style_config(networks__style_mixing=0.0)
    assert draw_styles(plain, "generator", 0, 3, lod=1)[1:] == (None, None)
