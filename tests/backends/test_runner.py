"""A backend's runner: gradients, trained networks, moments, averages, state."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core.images import to_float
from alae_core.losses import squared_distance
from alae_core.parts import select_weights
from alae_core.state import adams
from alae_core.updates import Update
from tests.conftest import random_images, slow, tiny_config, tiny_style_config
from tests.tolerances import BFLOAT16, DIFFERENCES, FLOAT32

OBJECTIVES = ("logistic", "wasserstein", "hinge")
BUNDLES = ("paper", "official")
#: choices that mix the two bundles
CROSSINGS = (
    {"distance": "mean"},
    {"trains_F": True},
    {"adam": "shared", "trains_F": True, "distance": "mean"},
    {"adam": "own", "trains_F": True, "target": "constant"},
)


def start(backend, **overrides):
    model = alae.build(tiny_config(**overrides))
    return model, backend.runner(model)


def random_bytes(count=6, shape=(4, 3, 2), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def changed_networks(before, after):
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
    """R1 is compared with central differences of D(E(x)) in x, the rest with the model's logits."""
    model, runner = start(backend, objective=objective, r1_gamma=6.0)
    images, z = random_images(), runner.draws(0, 6)
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


@pytest.mark.parametrize("updates", [*BUNDLES, *slow(*CROSSINGS)], ids=str)
@pytest.mark.parametrize("space", ["latent", "data", "both"])
def test_the_reciprocity_loss_measures_the_loop_in_the_configured_space(backend, space, updates):
    model, runner = start(backend, reciprocity=space, updates=updates)
    images, z = random_images(), runner.draws(0, 6)
    w = model.map(z["reciprocity"].z)
    sizes = (7, 24) if model.config.updates.distance == "mean" else (1, 1)
    latent = np.square(w - model.encode(model.generate(w))).sum(axis=1).mean() / sizes[0]
    data = np.square(images - model.reconstruct(images)).sum(axis=(1, 2, 3)).mean() / sizes[1]
    expected = {"latent": latent, "data": data, "both": latent + data}[space]
    np.testing.assert_allclose(runner.losses(images, z)["reciprocity"], expected, **FLOAT32)


@pytest.mark.parametrize(
    ("update", "updates"),
    [
        *((update, updates) for update in ("discriminator", "generator") for updates in BUNDLES),
        *(("reciprocity", updates) for updates in BUNDLES),
        *slow(*(("reciprocity", updates) for updates in CROSSINGS)),
    ],
    ids=str,
)
@pytest.mark.parametrize("space", ["both", *slow("latent")])
def test_gradients_match_differences_of_the_loss(backend, update, updates, space):
    """Includes R1's second derivative: a step along the gradient must change the loss by the gradient's square."""
    model, runner = start(backend, updates=updates, reciprocity=space)
    images, z = random_images(), runner.draws(0, 6)
    gradients = runner.gradients(update, images, z)
    if update == "reciprocity":
        assert any(name.startswith("F/") for name in gradients) == model.config.updates.trains_F
    if update == "reciprocity" and model.config.updates.target == "constant":
        # Here F(z) is a constant target, which differences of the loss cannot keep constant while F changes.
        gradients = {name: gradient for name, gradient in gradients.items() if not name.startswith("F/")}
    norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients.values()))
    state, losses = runner.state(), []
    for h in (2e-3 / norm, -2e-3 / norm):
        runner.load(state | {f"weights/{name}": state[f"weights/{name}"] + h * g for name, g in gradients.items()})
        losses.append(runner.losses(images, z)[update])
    np.testing.assert_allclose((losses[0] - losses[1]) / 4e-3, norm, **DIFFERENCES)


# A large ε also tests its position: outside the root, before the bias correction.
@pytest.mark.parametrize("epsilon", [1e-3, *slow(1e-8)])
@pytest.mark.parametrize("updates", [*BUNDLES, *slow({"adam": "shared"}, {"trains_F": True})], ids=str)
def test_a_step_applies_its_updates_in_order(backend, updates, epsilon):
    """Each update's gradients at the weights of the previous update, and Adam's recurrence in float64."""
    model, runner = start(backend, updates=updates, adam__epsilon=epsilon, adam__warmup=0.9)
    images = random_images()
    weights, z = model.weights(), runner.draws(0, 6)
    adam, t, v, state = model.config.adam, {}, {}, runner.state()
    for update in model.updates:
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
        # Adam's steps all have the size of the learning rate, so compare norms of displacements, not single weights.
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
def test_an_update_has_gradients_only_for_the_networks_it_trains(backend, update, updates, networks):
    _, runner = start(backend, updates=updates)
    gradients = runner.gradients(update, random_images(), runner.draws(0, 6))
    assert {name[0] for name in gradients} == set(networks)
    assert all(np.any(gradient) for gradient in gradients.values())


def masked_pixels(networks, batch, input_gradient):
    """Return the mean square of reconstruction errors, masked by an optional field of the batch or of its draws."""
    mask = next((m for m in (getattr(batch, "mask", None), getattr(batch.draws, "mask", None)) if m is not None), 1.0)
    decoded = networks.G(networks.E(batch.images))
    return squared_distance(mask * batch.images, mask * decoded, mean=True)


@pytest.mark.parametrize("place", ["batch", "draws"])
@pytest.mark.parametrize("first", ["without", "with"])
def test_a_graph_is_not_reused_for_a_batch_with_another_optional_field(backend, place, first):
    """A key of selected fields would reuse the graph of the batch without the mask."""
    model = alae.build(tiny_config())
    model.updates = (Update("pixels", "P", masked_pixels, {"E": "pixels", "G": "pixels"}, draws=()),)
    runner = backend.runner(model)
    batch = runner.put(random_images())
    original = batch if place == "batch" else batch.draws
    extended = NamedTuple("Extended", [(name, Any) for name in (*original._fields, "mask")])

    def loss(mask):
        part = extended(*original, mask)
        return float(
            runner.differentiate(model.updates[0], part if place == "batch" else batch._replace(draws=part))[0]
        )

    mask = runner.to_device(np.zeros((6, 1, 1, 1), np.float32))
    found = [loss(given) for given in ([None, mask] if first == "without" else [mask, None])]
    plain, masked = found if first == "without" else found[::-1]
    assert masked == 0 < plain


def test_official_reciprocity_trains_f_only_through_g(backend):
    """The target F(z) is constant, otherwise the gradient of F would have a second term."""
    model, runner = start(backend, updates="official")
    z = runner.draws(0, 6)
    found = runner.gradients("reciprocity", random_images(), z)["F/dense1/bias"]
    # dL/dw through G only, by differences in w at a constant target; the last bias of F shifts every w equally.
    w, h = model.map(z["reciprocity"].z), 1e-2
    expected = np.zeros(7)
    for i in range(7):
        moved_up, moved_down = (model.encode(model.generate(w + sign * h * np.eye(7)[i])) for sign in (1, -1))
        expected[i] = (np.square(w - moved_up).mean() - np.square(w - moved_down).mean()) / (2 * h)
    np.testing.assert_allclose(found, expected, **DIFFERENCES)


@pytest.mark.parametrize(("updates", "counts"), [("official", 2), *slow(("paper", 1))])
def test_counts_increase_once_per_update_that_trains_the_network(backend, updates, counts):
    _, runner = start(backend, updates=updates)
    for _ in range(3):
        runner.step(random_images())
    state = runner.state()
    for adam, network in adams(runner.model.updates):
        # official: one Adam trains E, F and G twice per step, D once; paper: every pair once
        assert state[f"adam/{adam}/{network}/t"] == 3 * (1 if network == "D" else counts)


def test_the_model_is_trained_in_place_and_averages_are_updated(backend):
    model, runner = start(backend)
    before = model.weights()
    runner.step(random_images())
    after, decay = model.weights(), 0.5 ** (6 / 10_000)
    assert changed_networks(before, after) == set("FGED")
    assert runner.model is model
    for name, weight in runner.weights().items():
        assert np.array_equal(weight, after[name])
        expected = decay * before[name].astype(np.float64) + (1 - decay) * after[name]
        np.testing.assert_allclose(runner.weights(averaged=True)[name], expected, **FLOAT32)


def test_without_reciprocity_its_loss_is_absent(backend):
    _, runner = start(backend, reciprocity="none")
    assert set(runner.step(random_images())) == {"discriminator", "generator"}


def test_losses_and_gradients_do_not_change_the_runner(backend):
    _, runner = start(backend)
    runner.step(random_images())
    before = runner.state()
    z = runner.draws(0, 6)
    runner.losses(random_images(), z)
    runner.gradients("discriminator", random_images(), z)
    assert all(np.array_equal(before[name], array) for name, array in runner.state().items())


def test_a_step_reports_the_losses_that_the_same_draws_give(backend):
    _, runner = start(backend)
    images = random_images()
    expected = runner.losses(images, runner.draws(0, 6))["discriminator"]
    np.testing.assert_allclose(runner.step(images)["discriminator"], expected, **FLOAT32)


def test_a_restored_run_continues_bit_for_bit(backend):
    _, straight = start(backend, seed=3)
    _, other = start(backend, seed=3)
    for step in range(4):
        straight.step(random_images(seed=step))
    state = straight.state()
    for step in range(4, 8):
        straight.step(random_images(seed=step))
    other.load(state)
    assert other.step_number == 4
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


def test_put_batches_and_arrays_give_the_same_step(backend):
    (_, first), (_, second) = start(backend), start(backend)
    images = random_images()
    assert dict(first.step(images)) == dict(second.step(second.put(images)))


@pytest.mark.parametrize("where", ["NumPy", "the device"])
def test_bytes_convert_to_floats_exactly(backend, where, monkeypatch):
    """Converted on an accelerator, a quarter of the data is copied, with the same result as with NumPy."""
    (_, first), (_, second) = start(backend), start(backend)
    if where == "the device":
        monkeypatch.setattr(backend, "device", "gpu:0")
    greys = np.arange(264).astype(np.uint8).reshape(11, 4, 3, 2)
    for images in (greys, random_bytes()):
        one, other = (first.to_numpy(batch.images) for batch in (first.put(images), first.put(to_float(images))))
        assert one.dtype == other.dtype == np.float32
        assert np.array_equal(one, other)
        assert dict(first.step(images)) == dict(second.step(to_float(images)))


@pytest.mark.slow
def test_put_copies_its_arrays(backend):
    """A loader may refill its buffer before the step."""
    (_, first), (_, second) = start(backend), start(backend)
    for images in (random_images(), random_bytes()):
        expected = dict(first.step(images))
        buffer = images.copy()
        batch = second.put(buffer)
        buffer[:] = 0
        assert dict(second.step(batch)) == expected


def test_steps_use_the_draws_of_the_runner(backend):
    """A runner with other draws trains differently, which shows that steps use them."""
    (_, first), (_, second), (_, third) = (start(backend) for _ in range(3))
    asked, sound = [], first.draws

    def others(step, count):
        asked.append((step, count))
        return sound(step + 100, count)

    first.draws = others
    for step in range(2):
        given = dict(second.step(random_images(seed=step), draws=second.draws(step + 100, 6)))
        assert dict(first.step(random_images(seed=step))) == given
        assert dict(third.step(random_images(seed=step))) != given
    assert asked == [(0, 6), (1, 6)]
    state = second.state()
    assert all(np.array_equal(array, state[name]) for name, array in first.state().items())


def test_the_step_number_does_not_need_the_state(backend, monkeypatch):
    _, runner = start(backend)
    for number in range(3):
        assert runner.step_number == number
        assert type(runner.step_number) is int
        runner.step(random_images())
    state = runner.state()
    assert state["step"] == 3
    runner.load(state | {"step": np.array(41, np.int64)})
    assert runner.step_number == 41
    assert "step 41" in repr(runner)
    assert "\n" not in repr(runner)


def test_a_step_copies_neither_state_nor_losses_to_the_host(backend, monkeypatch):
    _, runner = start(backend)
    monkeypatch.setattr(type(runner), "to_numpy", lambda self, tensor: pytest.fail("a step waited for the device"))
    losses = runner.step(random_images())
    monkeypatch.undo()
    assert all(np.isfinite(loss) for loss in losses.values())


def test_other_runners_models_and_states_are_unchanged(backend):
    (_, first), (other, second) = start(backend), start(backend)
    before = second.state()
    for _ in range(2):
        first.step(random_images())
    assert all(np.array_equal(before[name], array) for name, array in second.state().items())
    assert all(np.array_equal(before[f"weights/{name}"], array) for name, array in other.weights().items())


# ---- the model in training -------------------------------------------------------------------------------------------


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def test_a_model_in_training_computes_with_its_current_weights(backend):
    """Functions compiled before the first step, compared after each step with E in NumPy."""
    model, runner = start(backend)
    x, seen = random_images(), []
    for _ in range(3):
        seen.append(model.encode(x))
        v, flat = {name: w.astype(np.float64) for name, w in runner.weights().items()}, x.reshape(6, 24)
        for i in range(3):
            flat = (leaky(flat) if i else flat) @ v[f"E/dense{i}/kernel"] + v[f"E/dense{i}/bias"]
        np.testing.assert_allclose(seen[-1], flat, **FLOAT32)
        runner.step(random_images())
    assert not np.array_equal(seen[0], seen[1])
    before = runner.state()
    model.reconstruct(x)
    assert all(np.array_equal(before[name], array) for name, array in runner.state().items())


def test_loading_a_state_updates_the_model(backend):
    model, runner = start(backend)
    first, state = model.encode(random_images()), runner.state()
    runner.step(random_images())
    assert not np.array_equal(model.encode(random_images()), first)
    runner.load(state)
    assert np.array_equal(model.encode(random_images()), first)
    assert all(np.array_equal(model.weights()[name], array) for name, array in runner.weights().items())


# ---- refusals --------------------------------------------------------------------------------------------------------


def catch_error(call, argument):
    with pytest.raises(alae.ArgumentError) as caught:
        call()
    assert caught.value.argument == argument
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_invalid_images_are_refused_before_anything_changes(backend):
    _, runner = start(backend)
    before = runner.state()
    grey = np.linspace(0, 255, 144, dtype=np.float32).reshape(6, 4, 3, 2)
    message = catch_error(lambda: runner.step(grey), "images")
    assert message == "images are floats of 0 … 255: they should be uint8, or floats in [−1, 1]"
    assert catch_error(lambda: runner.put(grey), "images") == message
    message = catch_error(lambda: runner.step(random_images(shape=(3, 4, 2))), "images")
    assert message.startswith("images have shape (6, 3, 4, 2), but step 0 trains on images of shape (batch, 4, 3, 2)")
    assert "is a tensor" in catch_error(lambda: runner.step(ops.convert_to_tensor(random_images())), "images")
    assert "int64" in catch_error(lambda: runner.step(np.zeros((6, 4, 3, 2), np.int64)), "images")
    assert all(np.array_equal(before[name], array) for name, array in runner.state().items())


@pytest.mark.parametrize("step", [0, 3])
def test_images_of_another_level_are_refused_naming_both_sizes(backend, step):
    runner = backend.runner(alae.build(tiny_style_config()))
    runner.load(runner.state() | {"step": np.array(step, np.int64)})
    right, wrong = (4, 8) if step == 0 else (8, 4)
    images = random_images(4, (wrong, wrong, 2))
    for given in (images, runner.put(images)):
        message = catch_error(lambda given=given: runner.step(given), "images")
        assert (
            f"(4, {wrong}, {wrong}, 2), but step {step} trains on images of shape (batch, {right}, {right}, 2)"
            in message
        )
    assert runner.step_number == step


def test_training_requires_and_validates_labels(backend):
    _, runner = start(backend, labels=3)
    missing = "labels are missing: the model has 3 classes; pass the class of each image"
    assert catch_error(lambda: runner.step(random_images()), "labels") == missing
    assert catch_error(lambda: runner.losses(random_images(), runner.draws(0, 6)), "labels") == missing
    assert "reach from 0 to 3" in catch_error(lambda: runner.step(random_images(2), labels=[0, 3]), "labels")
    assert "are 5, but must be 6" in catch_error(lambda: runner.step(random_images(), labels=[0, 1, 2, 0, 1]), "labels")
    _, plain = start(backend)
    assert "without labels" in catch_error(lambda: plain.step(random_images(2), labels=[0, 1]), "labels")


def test_an_unknown_update_is_refused_listing_the_updates(backend):
    _, runner = start(backend)
    names = "it should be one of discriminator, generator, reciprocity"
    assert (
        catch_error(lambda: runner.step(random_images(), only="encoder"), "update") == f"update is 'encoder': {names}"
    )
    assert names in catch_error(lambda: runner.gradients("encoder", random_images(), runner.draws(0, 6)), "update")


# ---- labels, precision, sizes ----------------------------------------------------------------------------------------


def test_a_conditional_model_trains(backend):
    model, runner = start(backend, labels=3)
    labels = np.array([0, 1, 2, 0, 1, 2])
    before = model.weights()
    losses = dict(runner.step(random_images(), labels=labels))
    assert all(np.isfinite(value) for value in losses.values())
    # The rows of the first kernels that read the label have changed too.
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


def test_a_single_update_changes_only_its_networks(backend):
    _, runner = start(backend, updates="official")
    before = runner.state()
    losses = runner.step(random_images(), only="generator")
    after = runner.state()
    assert set(losses) == {"generator"}
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    # The averages of E and D still equal their weights; the step is counted for any update.
    assert {name.split("/")[0] for name in changed} == {"weights", "averages", "adam", "step"}
    assert {name.split("/")[1] for name in changed if name.startswith("weights")} == set("FG")
    assert {name.split("/")[2] for name in changed if name.startswith("adam")} == set("FG")
    assert after["step"] == 1


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")  # JAX warns and continues
def test_float64_needs_a_backend_opened_for_it(backend):
    config = tiny_config(precision="float64")
    if backend.name == "jax":
        with pytest.raises(alae.BackendError, match=r"float64 needs .* precision='float64'\) before build"):
            alae.build(config)
    else:
        runner = backend.runner(alae.build(config))
        runner.step(random_images())
        assert {array.dtype for array in runner.state().values()} == {np.dtype("float64"), np.dtype("int64")}
        assert runner.model.reconstruct(random_bytes()).dtype == np.float64


def test_any_batch_size_trains(backend):
    _, runner = start(backend)
    for count in (6, 1, 9):
        assert np.isfinite(runner.step(random_images(count))["discriminator"])


def test_keras_runs_on_this_backend(backend):
    assert keras.backend.backend() == backend.keras_backend


def test_arrays_may_be_overwritten_after_a_call(backend):
    """A loader reads the next batch into the arrays of the last one; callers may do the same after loading a state."""
    model, runner = start(backend)
    images, state = random_images(50_000), runner.state()
    for _ in range(20):
        given = images.copy()
        batch = runner.put(given)
        given[...] = np.nan
        np.testing.assert_array_equal(runner.to_numpy(batch.images), images)
    weights = {name.removeprefix("weights/"): array for name, array in state.items() if name.startswith("weights/")}
    for load, arrays, held in (
        (runner.load, state, runner.state),
        (model.set_weights, weights, model.weights),
    ):
        given = {name: array.copy() for name, array in arrays.items()}
        load(given)
        for array in given.values():
            array[...] = np.nan if array.dtype.kind == "f" else 7
        for name, array in held().items():
            np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def test_put_does_not_run_pytorch_kernels_on_a_cpu(backend):
    """On the loader's thread they would start another thread pool, which competes with the step."""
    if backend.name != "torch":
        pytest.skip("only PyTorch starts a team of threads for each thread that calls it")
    from torch.utils._python_dispatch import TorchDispatchMode

    called = []

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            called.append(str(function))
            return function(*args, **kwargs or {})

    _, runner = start(backend, labels=3)
    with Watched():
        for images in (random_bytes(), random_images()):
            runner.put(images, np.arange(6) % 3)
    assert [name for name in called if "detach" not in name and "lift" not in name] == []


@pytest.mark.parametrize(
    ("freeze", "untrained"), [(("F", "E.dense0"), "F"), (("E", "D", "G.dense1.kernel"), "ED")], ids=str
)
def test_frozen_weights_and_their_moments_keep_every_bit(backend, freeze, untrained):
    """Also where an update's networks are all frozen: it still reports its loss."""
    _, runner = start(backend, freeze=freeze)
    frozen = select_weights(freeze, runner.model.variables)
    # Moments as of a resumed run, which any update of them would change.
    before = {name: array + 0.5 if "/m/" in name or "/v/" in name else array for name, array in runner.state().items()}
    runner.load(before)
    losses = [dict(runner.step(random_images())) for _ in range(2)][-1]
    assert losses.keys() == {"discriminator", "generator", "reciprocity"}
    for name, array in runner.state().items():
        kind, _, rest = name.partition("/")
        if kind == "adam":
            _, network, what, *weight = rest.split("/", 3)
            stays = "/".join([network, *weight]) in frozen if what in "mv" else network in untrained
        else:
            stays = rest in frozen
        # Two steps may be too small to move an average.
        if stays or kind != "averages":
            assert np.array_equal(array, before[name]) == stays, name
