"""Joint updates, schedules, pair objectives and R2 in training, with conv networks and perceptrons."""

import numpy as np
import pytest

import alae_core as alae
from alae_core.growth import position
from tests.conftest import random_images, slow, tiny_config, tiny_conv_config
from tests.tolerances import BFLOAT16, DIFFERENCES, FLOAT32

SHAPE = (8, 10, 2)
MAKERS = {"conv": tiny_conv_config, "mlp": tiny_config}
#: 10 steps of 6 images, the first 4 at a constant rate; pixels at every third step
SCHEDULED = {
    "schedule": {"images": 60, "constant": 0.4, "rate_end": 0.1, "r1_gamma_end": 1.0},
    "average_warmup": 0.5,
    "average_halflife": 20.0,
    "updates__every": 3,
}


def start(backend, make=tiny_conv_config, **overrides):
    if make is tiny_config:
        overrides = {"updates": "joint", "reciprocity": "both", **overrides}
    model = alae.build(make(**overrides))
    return model, backend.runner(model)


def images_of(model, count=6, seed=0):
    return random_images(count, model.config.image, seed)


def with_residuals(runner):
    """Move every weight, so that residual blocks and biases, which start at zero, have an effect."""
    state, rng = runner.state(), np.random.default_rng(0)
    moved = {
        name: array + 0.1 * rng.normal(size=array.shape).astype(array.dtype)
        for name, array in state.items()
        if name.startswith("weights/")
    }
    runner.load(state | moved)
    return runner


def changed_networks(before, after, group):
    """The networks with a changed weight or moment of a group of arrays, such as "weights/"."""
    changed = (name for name in before if name.startswith(group) and not np.array_equal(before[name], after[name]))
    return {name.removeprefix(group).split("/")[0] for name in changed}


def softplus(t):
    return np.logaddexp(0, t)


#: for each objective the discriminator's and the generator's loss of logits on real and generated images
OBJECTIVES = {
    "logistic": (lambda r, f: softplus(-r).mean() + softplus(f).mean(), lambda r, f: softplus(-f).mean()),
    "relativistic": (lambda r, f: softplus(f - r).mean(), lambda r, f: softplus(r - f).mean()),
}


# ---- losses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "objective", "overrides"),
    [
        ("conv", "logistic", {}),
        ("conv", "relativistic", {"updates__distance": "sum", "updates__weight": 0.5, "labels": 3}),
        ("conv", "logistic", {"reciprocity": "z", "networks__z": 7, "updates__trains_F": False}),
        ("mlp", "relativistic", {"updates__weight": 3.0}),
        *slow(("mlp", "logistic", {"reciprocity": "latent"}), ("conv", "logistic", {"reciprocity": "data"})),
    ],
    ids=str,
)
def test_joint_losses_are_sums_of_the_adversarial_loss_and_the_loop(backend, family, objective, overrides):
    model, runner = start(backend, MAKERS[family], objective=objective, r1_gamma=0.0, **overrides)
    with_residuals(runner)
    x, draws, config = images_of(model), runner.draws(0, 6), model.config
    labels = np.arange(6) % 3 if config.labels else None
    found, real = runner.losses(x, draws, labels=labels), model.discriminate(model.encode(x, labels=labels))
    for update, adversarial in zip(("discriminator", "generator"), OBJECTIVES[objective], strict=True):
        z = draws[update].z
        w = model.map(z)
        code = model.encode(model.generate(w, labels=labels), labels=labels)
        expected = adversarial(real, model.discriminate(code))
        if config.reciprocity != "data":
            squares = np.square((z if config.reciprocity == "z" else w) - code).sum(axis=1).mean()
            expected += config.updates.weight * squares / (7 if config.updates.distance == "mean" else 1)
        np.testing.assert_allclose(found[update], expected, **FLOAT32)
    assert ("pixels" in found) == (config.reciprocity in ("data", "both"))
    if "pixels" in found:
        # The weight belongs to the loop in w.
        squares = np.square(x - model.reconstruct(x, labels=labels)).sum(axis=(1, 2, 3)).mean()
        size = np.prod(config.image) if config.updates.distance == "mean" else 1
        np.testing.assert_allclose(found["pixels"], squares / size, **FLOAT32)


@pytest.mark.parametrize("objective", ["logistic", *slow("relativistic")])
def test_r1_and_r2_are_penalties_on_real_and_on_generated_images(backend, objective):
    """The gradient of perceptrons in x is a product of matrices and slopes; leaky ReLUs have slopes 1 and 0.2."""
    losses = {}
    for gammas in ((0.0, 0.0), (6.0, 0.0), (0.0, 4.0), (6.0, 4.0)):
        choices = {"objective": objective, "reciprocity": "none", "r1_gamma": gammas[0], "r2_gamma": gammas[1]}
        model, runner = start(backend, tiny_config, **choices)
        x, draws = images_of(model), runner.draws(0, 6)
        losses[gammas] = runner.losses(x, draws)["discriminator"]
    weights, fake = model.weights(), model.generate(model.map(draws["discriminator"].z))

    def penalty(images):
        """½ E‖∇ₓD(E(x))‖²."""
        y, gradient = images.reshape(6, -1).astype(np.float64), np.eye(24)[None]
        for layer in ("E/dense0", "E/dense1", "E/dense2", "D/dense0", "D/dense1"):
            kernel = weights[f"{layer}/kernel"].astype(np.float64)
            y, gradient = y @ kernel + weights[f"{layer}/bias"], gradient @ kernel
            if layer not in ("E/dense2", "D/dense1"):
                slope = np.where(y > 0, 1, 0.2)
                y, gradient = slope * y, gradient * slope[:, None]
        return np.square(gradient).sum(axis=(1, 2)).mean() / 2

    for (r1, r2), loss in losses.items():
        expected = losses[0.0, 0.0] + r1 * penalty(x) + r2 * penalty(fake)
        np.testing.assert_allclose(loss, expected, **FLOAT32)


# ---- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("update", ["discriminator", *slow("generator", "pixels")])
@pytest.mark.parametrize(
    "choices",
    [
        {"updates__target": "followed"},
        {"r2_gamma": 2.0, "objective": "relativistic"},
        *slow({"family": "mlp", "updates__target": "followed", "objective": "relativistic"}),
    ],
    ids=str,
)
def test_gradients_match_differences_of_the_loss(backend, update, choices):
    """A step along the gradient changes the loss by the gradient's square."""
    choices = dict(choices)
    model, runner = start(backend, MAKERS[choices.pop("family", "conv")], **choices)
    with_residuals(runner)
    x, draws = images_of(model), runner.draws(0, 6)
    gradients = runner.gradients(update, x, draws)
    assert {name[0] for name in gradients} == set(model.update(update).trains)
    # The discriminator's loss of pairs does not depend on D's last bias.
    constant = {"D/dense1/bias"} if model.config.objective == "relativistic" else set()
    assert all(np.any(gradient) for name, gradient in gradients.items() if name not in constant)
    if model.config.updates.target == "constant":
        # Differences of the loss cannot keep the target F(z) constant while F changes.
        gradients = {name: gradient for name, gradient in gradients.items() if not name.startswith("F/")}
    norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients.values()))
    # With R1, the loss jumps where a leaky ReLU changes its slope, so the step must be too short to reach one.
    reach = 3e-5 if update == "discriminator" else 2e-3
    state, losses = runner.state(), []
    for h in (reach / norm, -reach / norm):
        runner.load(state | {f"weights/{name}": state[f"weights/{name}"] + h * g for name, g in gradients.items()})
        losses.append(runner.losses(x, draws)[update])
    np.testing.assert_allclose((losses[0] - losses[1]) / (2 * reach), norm, **DIFFERENCES)


def test_trains_f_decides_whether_the_loop_reaches_f_and_never_reaches_d(backend):
    """Without trains_F, the gradients for F are those without the loop; those for G differ."""
    gradients = {}
    for name, choices in {
        "without the loop": {"reciprocity": "none"},
        "F constant": {"updates__trains_F": False},
        "F trained": {},
    }.items():
        model, runner = start(backend, tiny_config, updates__weight=5.0, **choices)
        x, draws = images_of(model), runner.draws(0, 6)
        gradients[name] = runner.gradients("generator", x, draws) | runner.gradients("discriminator", x, draws)

    def equal(one, other, key):
        return np.allclose(gradients[one][key], gradients[other][key], **FLOAT32)

    for key in ("F/dense0/kernel", "D/dense0/kernel"):
        assert equal("without the loop", "F constant", key), key
    assert equal("without the loop", "F trained", "D/dense0/kernel")
    assert not equal("F constant", "F trained", "F/dense0/kernel")
    for key in ("G/dense0/kernel", "E/dense0/kernel"):
        assert not equal("without the loop", "F trained", key), key
        assert equal("F constant", "F trained", key), key


@pytest.mark.parametrize(("update", "networks"), [("discriminator", "ED"), ("generator", "FG"), ("pixels", "EG")])
def test_an_update_changes_only_its_networks_and_moments(backend, update, networks):
    model, runner = start(backend)
    before = runner.state()
    assert set(runner.step(images_of(model), only=update)) == {update}
    after = runner.state()
    assert changed_networks(before, after, "weights/") == set(networks)
    assert changed_networks(before, after, "adam/") == {update}
    assert changed_networks(before, after, f"adam/{update}/") == set(networks)


# ---- updates that are not due at every step --------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["conv", *slow("mlp")])
def test_pixels_is_done_at_every_k_th_step(backend, family):
    model, runner = start(backend, MAKERS[family], updates__every=3)
    for step in range(8):
        before = runner.state()
        losses = runner.step(images_of(model, seed=step))
        assert list(losses) == ["discriminator", "generator", *(["pixels"] if step % 3 == 0 else [])]
        changed = changed_networks(before, runner.state(), "adam/")
        assert ("pixels" in changed) == (step % 3 == 0)
    state = runner.state()
    for update in model.updates:
        for network, adam in update.trains.items():
            assert state[f"adam/{adam}/{network}/t"] == (3 if update.name == "pixels" else 8)


@pytest.mark.slow
def test_reciprocity_may_be_done_at_every_k_th_step(backend):
    model, runner = start(backend, tiny_config, updates="paper", reciprocity="latent", updates__every=2)
    found = [list(runner.step(images_of(model))) for _ in range(3)]
    assert [("reciprocity" in losses) for losses in found] == [True, False, True]


@pytest.mark.slow
def test_an_update_that_is_not_due_can_be_run_alone_and_has_a_loss(backend):
    model, runner = start(backend, tiny_config, updates__every=3)
    runner.step(images_of(model))
    x, draws = images_of(model), runner.draws(1, 6)
    assert set(runner.losses(x, draws)) == {"discriminator", "generator", "pixels"}
    expected = runner.losses(x, draws)["pixels"]
    np.testing.assert_allclose(runner.step(x, only="pixels")["pixels"], expected, **FLOAT32)


# ---- schedules -------------------------------------------------------------------------------------------------------


def scheduled(start_, end, step):
    """The value of `SCHEDULED` before a step."""
    progress = np.clip((step - 4) / 6, 0, 1)
    return start_ + (end - start_) * (1 - np.cos(np.pi * progress)) / 2


@pytest.mark.parametrize("step", [7, *slow(0, 4, 5, 12)])
def test_the_first_step_of_adam_has_the_scheduled_rate(backend, step):
    """With new moments and β1 = 0, each weight with a gradient moves by the learning rate; biases start at zero."""
    model, runner = start(backend, **SCHEDULED, adam__epsilon=1e-14)
    runner.load(runner.state() | {"step": np.array(step, np.int64)})
    runner.step(images_of(model), only="discriminator")
    moved = np.abs(np.concatenate([runner.weights()[f"{name}/bias"] for name in ("E/conv0", "E/dense0", "D/dense0")]))
    expected = 1e-3 * scheduled(1.0, 0.1, step)
    np.testing.assert_allclose(moved[moved > 0], expected, **FLOAT32)
    assert np.count_nonzero(moved) > 0.9 * moved.size


@pytest.mark.slow
def test_warm_up_and_schedule_multiply(backend):
    model, runner = start(backend, tiny_config, **SCHEDULED, adam__epsilon=1e-14, adam__warmup=0.75)
    runner.load(runner.state() | {"step": np.array(7, np.int64)})
    runner.step(images_of(model), only="discriminator")
    moved = np.abs(runner.weights()["E/dense0/bias"])
    np.testing.assert_allclose(moved[moved > 0], 1e-3 * 0.25 * scheduled(1.0, 0.1, 7), **FLOAT32)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [0.0, 5.0])
def test_the_discriminator_loss_has_the_scheduled_gamma(backend, gamma):
    """R1 is linear in γ: compare the losses of several steps at the same weights and draws."""
    model, runner = start(backend, tiny_config, r1_gamma=gamma, **SCHEDULED)
    _, without = start(backend, tiny_config, r1_gamma=0.0)
    _, unit = start(backend, tiny_config, r1_gamma=1.0)
    x, draws, state = images_of(model), runner.draws(0, 6), runner.state()
    adversarial = without.losses(x, draws)["discriminator"]
    penalty = unit.losses(x, draws)["discriminator"] - adversarial
    assert penalty > 1e-3 * adversarial
    for step in (0, 5, 7, 12):
        runner.load(state | {"step": np.array(step, np.int64)})
        expected = adversarial + scheduled(gamma, 1.0, step) * penalty
        found = runner.losses(x, draws)["discriminator"]
        np.testing.assert_allclose(found, expected, **FLOAT32)
        np.testing.assert_allclose(runner.step(x, draws=draws)["discriminator"], found, **FLOAT32)


def test_averages_follow_with_their_warm_up(backend):
    model, runner = start(backend, tiny_config, **SCHEDULED)
    averages = {name: weight.astype(np.float64) for name, weight in model.weights().items()}
    for step in range(10):
        runner.step(images_of(model, seed=step))
        halflife = min(20.0, 0.5 * 6 * step)
        decay = 0.5 ** (6 / halflife) if step else 0.0
        for name, weight in runner.weights().items():
            averages[name] = decay * averages[name] + (1 - decay) * weight
            np.testing.assert_allclose(runner.weights(averaged=True)[name], averages[name], **FLOAT32)


@pytest.mark.slow
def test_without_images_a_schedule_does_not_change_training(backend):
    (model, plain), (_, endless) = (start(backend, tiny_config, **c) for c in ({}, {"schedule": {"rate_end": 0.1}}))
    for step in range(2):
        assert dict(plain.step(images_of(model, seed=step))) == dict(endless.step(images_of(model, seed=step)))
    state = endless.state()
    assert all(np.array_equal(array, state[name]) for name, array in plain.state().items())


@pytest.mark.slow
def test_a_schedule_compiles_no_step_again(backend, monkeypatch):
    model, runner = start(backend, tiny_config, **SCHEDULED)
    for step in range(2):
        # One step with pixels and one without.
        runner.step(images_of(model, seed=step))
    calls, networks = [], runner.networks
    sound = networks.generate
    monkeypatch.setattr(networks, "generate", lambda *args, **kwargs: calls.append(1) or sound(*args, **kwargs))
    for step in range(2, 8):
        runner.step(images_of(model, seed=step))
    assert not calls
    assert len({position(model.config, step).rates for step in range(8)}) == 8


@pytest.mark.parametrize(("family", "at"), [("conv", 5), *slow(("conv", 6), ("mlp", 5), ("mlp", 6))])
def test_a_run_resumes_bit_for_bit_within_a_schedule(backend, tmp_path, family, at):
    """From a checkpoint, before a step with pixels and before one without."""
    (model, straight), (_, other) = (start(backend, MAKERS[family], **SCHEDULED) for _ in range(2))
    for step in range(at):
        straight.step(images_of(model, seed=step))
    alae.save_checkpoint(tmp_path, straight)
    for step in range(at, 11):
        straight.step(images_of(model, seed=step))
    checkpoint = alae.load_checkpoint(tmp_path)
    assert checkpoint.config == model.config
    other.load(checkpoint.state)
    for step in range(at, 11):
        other.step(images_of(model, seed=step))
    state = other.state()
    assert all(np.array_equal(array, state[name]) for name, array in straight.state().items())


# ---- precisions and labels -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("family", ["conv", "mlp"])
@pytest.mark.parametrize("precision", ["bfloat16", "float64"])
def test_other_precisions_train(backend, precision, family):
    if precision == "float64" and backend.name == "jax":
        pytest.skip("JAX was opened for float32; the conformance suite opens it for float64")
    choices = {**SCHEDULED, "objective": "relativistic", "r2_gamma": 1.0}
    (model, runner), (_, exact) = (
        start(backend, MAKERS[family], precision=p, **choices) for p in (precision, "float32")
    )
    dtype = "float64" if precision == "float64" else "float32"
    assert {array.dtype.name for name, array in runner.state().items() if name.startswith("weights/")} == {dtype}
    tolerance = BFLOAT16 if precision == "bfloat16" else FLOAT32
    found, expected = runner.step(images_of(model)), exact.step(images_of(model))
    for name, loss in expected.items():
        np.testing.assert_allclose(found[name], loss, **tolerance)
    for step in range(1, 7):
        assert all(np.isfinite(loss) for loss in runner.step(images_of(model, seed=step)).values())
    assert {array.dtype.name for name, array in runner.state().items() if name.startswith("averages/")} == {dtype}


@pytest.mark.slow
def test_labels_reach_every_update(backend):
    model, runner = start(backend, labels=3, objective="relativistic", r2_gamma=1.0)
    x, draws = images_of(model), runner.draws(0, 6)
    one, other = (runner.losses(x, draws, labels=np.array(labels)) for labels in ([0, 1, 2] * 2, [1, 2, 0] * 2))
    assert all(abs(one[update] - other[update]) > 1e-4 * abs(one[update]) for update in one)
    assert list(runner.step(x, labels=np.array([0, 1, 2] * 2))) == ["discriminator", "generator", "pixels"]
