"""A backend's runner: gradients, who moves, moments, averages, state. Run once for each backend."""

import keras
import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core.state import adams, draws
from tests.conftest import random_images, tiny_config
from tests.tolerances import BFLOAT16, DIFFERENCES, FLOAT32

OBJECTIVES = ("logistic", "wasserstein", "hinge")


def start(backend, seed=0, **overrides):
    config = tiny_config(**overrides)
    model = alae.build(config, seed=seed)
    return model, backend.runner(model, config, seed=seed)


def moved(before, after):
    return {name.split("/")[0] for name in before if not np.array_equal(before[name], after[name])}


def test_input_gradient_of_a_linear_function_is_its_matrix(backend):
    kernel = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    x = ops.convert_to_tensor(np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32))
    value, gradient = backend.input_gradient(lambda x: ops.matmul(x, ops.convert_to_tensor(kernel)), x)
    assert tuple(value.shape) == (4, 3)
    expected = np.tile(kernel.sum(axis=1), (4, 1))
    np.testing.assert_allclose(ops.convert_to_numpy(ops.stop_gradient(gradient)), expected, **FLOAT32)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_discriminator_loss_has_r1_on_the_input(backend, objective):
    """R1 against central differences of D(E(x)) in x, everything else against the model's own logits."""
    model, runner = start(backend, objective=objective, r1_gamma=6.0)
    images, z = random_images(), draws(runner.config, 0, 0, 6)
    h, squares = 1e-2, np.zeros(6)
    for index in np.ndindex(images.shape[1:]):
        step = np.zeros_like(images)
        step[(slice(None), *index)] = h
        difference = model.discriminate(model.encode(images + step)) - model.discriminate(model.encode(images - step))
        squares += (difference / (2 * h)) ** 2
    real = model.discriminate(model.encode(images))
    fake = model.discriminate(model.encode(model.generate(model.map(z["discriminator"].z))))
    adversarial = {
        "logistic": np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean(),
        "wasserstein": fake.mean() - real.mean(),
        "hinge": np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean(),
    }[objective]
    found = runner.losses(images, z)["discriminator"]
    np.testing.assert_allclose(found - adversarial, 6.0 / 2 * squares.mean(), **DIFFERENCES)


@pytest.mark.parametrize("updates", ["paper", "official"])
@pytest.mark.parametrize("space", ["latent", "data", "both"])
def test_the_reciprocity_loss_closes_the_loop_it_is_asked_to(backend, space, updates):
    model, runner = start(backend, reciprocity=space, updates=updates)
    images, z = random_images(), draws(runner.config, 0, 0, 6)
    w = model.map(z["reciprocity"].z)
    sizes = (7, 24) if updates == "official" else (1, 1)
    latent = np.square(w - model.encode(model.generate(w))).sum(axis=1).mean() / sizes[0]
    data = np.square(images - model.reconstruct(images)).sum(axis=(1, 2, 3)).mean() / sizes[1]
    expected = {"latent": latent, "data": data, "both": latent + data}[space]
    np.testing.assert_allclose(runner.losses(images, z)["reciprocity"], expected, **FLOAT32)


@pytest.mark.parametrize("updates", ["paper", "official"])
@pytest.mark.parametrize("space", ["latent", "both"])
@pytest.mark.parametrize("update", ["discriminator", "generator", "reciprocity"])
def test_gradients_match_differences_of_the_loss(backend, update, updates, space):
    """R1's second derivative included: its own loss moved along the gradient must change by the gradient's square."""
    _, runner = start(backend, updates=updates, reciprocity=space)
    images, z = random_images(), draws(runner.config, 0, 0, 6)
    gradients = runner.gradients(update, images, z)
    if updates == "official" and update == "reciprocity":
        # F(z) is a constant target there, and no difference of the loss can hold it constant while F moves.
        gradients = {name: gradient for name, gradient in gradients.items() if not name.startswith("F/")}
    norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients.values()))
    state, losses = runner.state(), []
    for h in (2e-3 / norm, -2e-3 / norm):
        runner.load(state | {f"weights/{name}": state[f"weights/{name}"] + h * g for name, g in gradients.items()})
        losses.append(runner.losses(images, z)[update])
    np.testing.assert_allclose((losses[0] - losses[1]) / 4e-3, norm, **DIFFERENCES)


# With an ε that is far from negligible its place, beside the root and before the bias correction, shows too.
@pytest.mark.parametrize("epsilon", [1e-8, 1e-3])
@pytest.mark.parametrize("updates", ["paper", "official"])
def test_a_step_is_its_updates_one_after_the_other(backend, updates, epsilon):
    """Each update's gradients at the weights the one before left, and Adam's recurrence in float64."""
    model, runner = start(backend, updates=updates, adam__epsilon=epsilon, adam__warmup=0.9)
    images = random_images()
    weights, z = model.weights(), draws(runner.config, 0, 0, 6)
    adam, t, v, state = runner.config.adam, {}, {}, runner.state()
    for update in runner.updates:
        runner.load(state | {f"weights/{name}": weight for name, weight in weights.items()})
        gradients = runner.gradients(update.name, images, z)
        for network, owner in update.trains.items():
            t[owner, network] = t.get((owner, network), 0) + 1
        for name, gradient in gradients.items():
            network = name.split("/")[0]
            owner = update.trains[network]
            second = v[owner, name] = 0.99 * v.get((owner, name), 0) + 0.01 * gradient.astype(np.float64) ** 2
            rate = adam.learning_rate * (1 - 0.9 ** t[owner, network]) * np.sqrt(1 - 0.99 ** t[owner, network])
            weights[name] = (weights[name] - rate * gradient / (np.sqrt(second) + epsilon)).astype(np.float32)
    runner.load(state)
    runner.step(images)
    for name, expected in weights.items():
        # Adam's steps all have the size of the learning rate: compare displacements by norm, not weights by element.
        error = np.linalg.norm(runner.weights()[name] - expected)
        assert error < 1e-3 * adam.learning_rate * np.sqrt(expected.size), name


@pytest.mark.parametrize(
    ("update", "updates", "networks"),
    [
        ("discriminator", "paper", "ED"),
        ("generator", "paper", "FG"),
        ("reciprocity", "paper", "EG"),
        ("reciprocity", "official", "EFG"),
    ],
)
def test_an_update_has_gradients_for_the_networks_it_trains_only(backend, update, updates, networks):
    _, runner = start(backend, updates=updates)
    gradients = runner.gradients(update, random_images(), draws(runner.config, 0, 0, 6))
    assert {name[0] for name in gradients} == set(networks)
    assert all(np.any(gradient) for gradient in gradients.values())


def test_official_reciprocity_trains_f_through_g_alone(backend):
    """The target F(z) is a constant: with it free, the gradient of F would have a second part."""
    model, runner = start(backend, updates="official")
    z = draws(runner.config, 0, 0, 6)
    found = runner.gradients("reciprocity", random_images(), z)["F/dense1/bias"]
    # dL/dw through G only, by differences in w with the target held; the last bias of F shifts every w alike.
    w, h = model.map(z["reciprocity"].z), 1e-2
    expected = np.zeros(7)
    for i in range(7):
        moved_up, moved_down = (model.encode(model.generate(w + sign * h * np.eye(7)[i])) for sign in (1, -1))
        expected[i] = (np.square(w - moved_up).mean() - np.square(w - moved_down).mean()) / (2 * h)
    np.testing.assert_allclose(found, expected, **DIFFERENCES)


@pytest.mark.parametrize(("updates", "counts"), [("paper", 1), ("official", 2)])
def test_moments_tick_once_per_update_that_trains_their_network(backend, updates, counts):
    _, runner = start(backend, updates=updates)
    for _ in range(3):
        runner.step(random_images())
    state = runner.state()
    for adam, network in adams(runner.config):
        # official: E, F and G are each trained twice a step by one Adam, D once; paper: every pair once
        assert state[f"adam/{adam}/{network}/t"] == 3 * (1 if network == "D" else counts)


def test_the_model_is_trained_in_place_and_averages_follow(backend):
    model, runner = start(backend)
    before = model.weights()
    runner.step(random_images())
    after, decay = model.weights(), 0.5 ** (6 / 10_000)
    assert moved(before, after) == set("FGED")
    for name, weight in runner.weights().items():
        assert np.array_equal(weight, after[name])
        expected = decay * before[name].astype(np.float64) + (1 - decay) * after[name]
        np.testing.assert_allclose(runner.weights(averaged=True)[name], expected, **FLOAT32)


def test_without_reciprocity_there_is_no_such_loss(backend):
    _, runner = start(backend, reciprocity="none")
    assert set(runner.step(random_images())) == {"discriminator", "generator"}


def test_losses_and_gradients_move_nothing(backend):
    _, runner = start(backend)
    runner.step(random_images())
    before = runner.state()
    z = draws(runner.config, 0, 0, 6)
    runner.losses(random_images(), z)
    runner.gradients("discriminator", random_images(), z)
    assert all(np.array_equal(before[name], array) for name, array in runner.state().items())


def test_a_step_reports_the_losses_that_the_same_draws_give(backend):
    _, runner = start(backend)
    images = random_images()
    expected = runner.losses(images, draws(runner.config, 0, 0, 6))["discriminator"]
    np.testing.assert_allclose(runner.step(images)["discriminator"], expected, **FLOAT32)


def test_a_restored_run_goes_on_bit_for_bit(backend):
    _, straight = start(backend, seed=3)
    _, other = start(backend, seed=3)
    for step in range(4):
        straight.step(random_images(seed=step))
    state = straight.state()
    for step in range(4, 8):
        straight.step(random_images(seed=step))
    other.load(state)
    assert other.step_count == 4
    for step in range(4, 8):
        other.step(random_images(seed=step))
    assert all(np.array_equal(array, other.state()[name]) for name, array in straight.state().items())


def test_a_state_is_a_snapshot(backend):
    _, runner = start(backend)
    state = runner.state()
    kept = {name: array.copy() for name, array in state.items()}
    runner.load(state)
    runner.step(random_images())
    assert all(np.array_equal(kept[name], array) for name, array in state.items())


def test_put_batches_and_arrays_are_the_same_step(backend):
    (_, first), (_, second) = start(backend), start(backend)
    images = random_images()
    assert dict(first.step(images)) == dict(second.step(second.put(images)))


def test_seeds_and_steps_change_the_draws(backend):
    config = tiny_config()
    z = [draws(config, seed, step, 6) for seed, step in ((0, 0), (0, 1), (1, 0))]
    arrays = [array for drawn in z for array in (each.z for each in drawn.values())]
    assert len(arrays) == 9
    assert len({array.tobytes() for array in arrays}) == 9


def test_a_conditional_model_trains(backend):
    model, runner = start(backend, labels=3)
    labels = np.array([0, 1, 2, 0, 1, 2])
    before = model.weights()
    losses = dict(runner.step(random_images(), labels))
    assert all(np.isfinite(value) for value in losses.values())
    # The rows of the first kernels that read the label have learnt too.
    for network, size in (("E", 24), ("G", 7)):
        name = f"{network}/dense0/kernel"
        assert np.any(model.weights()[name][size:] != before[name][size:])


def test_bfloat16_trains_near_float32_with_float32_weights(backend):
    (_, exact), (_, mixed) = start(backend), start(backend, precision="bfloat16")
    images = random_images()
    expected, found = dict(exact.step(images)), dict(mixed.step(images))
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], **BFLOAT16)
    assert all(array.dtype in (np.float32, np.int64) for array in mixed.state().values())


def test_one_update_alone_moves_what_it_trains(backend):
    _, runner = start(backend, updates="official")
    before = runner.state()
    losses = runner.step(random_images(), only="generator")
    after = runner.state()
    assert set(losses) == {"generator"}
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    # The averages of E and D equal their weights already; the step is counted whatever ran in it.
    assert {name.split("/")[0] for name in changed} == {"weights", "averages", "adam", "step"}
    assert {name.split("/")[1] for name in changed if name.startswith("weights")} == set("FG")
    assert {name.split("/")[2] for name in changed if name.startswith("adam")} == set("FG")
    assert after["step"] == 1


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")  # JAX says so, and goes on
def test_float64_needs_a_framework_that_was_opened_for_it(backend):
    config = tiny_config(precision="float64")
    if backend.name == "jax":
        with pytest.raises(alae.BackendError, match=r"float64 needs .* precision='float64'\) before build"):
            alae.build(config)
    else:
        runner = backend.runner(alae.build(config), config)
        runner.step(random_images())
        assert {array.dtype for array in runner.state().values()} == {np.dtype("float64"), np.dtype("int64")}


def test_other_batch_sizes_are_welcome(backend):
    _, runner = start(backend)
    for count in (6, 1, 9):
        assert np.isfinite(runner.step(random_images(count))["discriminator"])


def test_keras_runs_on_this_backend(backend):
    assert keras.backend.backend() == backend.keras_backend
