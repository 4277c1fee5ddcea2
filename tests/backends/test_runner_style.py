"""Training with levels on the backend under test: active weights, restarts, resuming during a fade."""

import dataclasses

import numpy as np
import pytest

import alae_core as alae
from alae_core.draws import Draws
from alae_core.growth import position, scheduled_steps
from alae_core.state import moment_name
from alae_core.streams import noise_shapes, stream
from tests.conftest import random_images, tiny_style_config
from tests.tolerances import BFLOAT16, FLOAT32

#: level 0 has steps 0 … 2, level 1 the next four, half of them fading
FIRST_OF_LEVEL_1 = 3
_UPDATES = ("discriminator", "generator", "reciprocity")


def start(backend, step=0, **overrides):
    """Return a runner before training step `step`, with initial weights."""
    model = alae.build(tiny_style_config(**overrides))
    runner = backend.runner(model)
    if step:
        runner.load(runner.state() | {"step": np.array(step, np.int64)})
    return model, runner


def images(step):
    """Return a batch for training step `step`, of the level's size."""
    size = 4 if step < FIRST_OF_LEVEL_1 else 8
    return random_images(4, (size, size, 2), seed=step)


def changed_arrays(before, after, group):
    prefix = f"{group}/"
    return {n.removeprefix(prefix) for n in before if n.startswith(prefix) and not np.array_equal(before[n], after[n])}


@pytest.fixture(scope="module")
def grown(backend):
    """The states of one run before and after each of its first five steps, from level 0 into the fade of level 1."""
    _, runner = start(backend)
    states, losses = [runner.state()], []
    for step in range(5):
        losses.append(dict(runner.step(images(step))))
        states.append(runner.state())
    return runner, states, losses


def test_the_step_number_selects_the_level(grown):
    runner, states, losses = grown
    assert scheduled_steps(runner.model.config) == 7
    assert [position(runner.model.config, int(state["step"])).stage.lod for state in states] == [0, 0, 0, 1, 1, 1]
    assert all(np.isfinite(value) for each in losses for value in each.values())
    assert all(np.isfinite(array).all() for array in states[-1].values())


def test_weights_of_inactive_levels_keep_every_bit(grown):
    runner, states, _ = grown
    before, after = states[0], states[FIRST_OF_LEVEL_1]
    idle = {n for n in runner.model.variables if "block1" in n or "rgb1" in n}
    assert len(idle) > 20
    moved = changed_arrays(before, after, "weights")
    assert not moved & idle
    assert changed_arrays(before, after, "averages") == moved
    for name in idle:
        network, weight = name.split("/", 1)
        assert not any(
            array.any()
            for n, array in after.items()
            if n.startswith("adam/") and n.endswith(f"/{weight}") and f"/{network}/" in n
        )
    # All others have changed, including those with gradients of rounding size.
    assert moved >= {n for n in runner.model.variables if n.endswith("kernel")} - idle


def test_a_new_block_has_no_effect_at_a_levels_first_step(grown):
    """With blend 0 it has no gradient in any update; at the next step all of it has."""
    runner, states, _ = grown
    new = {n for n in runner.model.variables if "block1" in n or "rgb1" in n}
    first, second = states[FIRST_OF_LEVEL_1 + 1 : FIRST_OF_LEVEL_1 + 3]
    assert not changed_arrays(states[FIRST_OF_LEVEL_1], first, "weights") & new
    # Not by changes: the first steps of two updates have the same size and may cancel.
    squares = {n: moment_name("generator" if n[0] == "G" else "discriminator", "v", n) for n in new}
    assert not any(first[name].any() for name in squares.values())
    assert all(second[squares[n]].any() for n in new if n.endswith("kernel"))


def test_adam_restarts_at_a_new_level(grown):
    _, states, _ = grown
    counts = {n: [int(state[n]) for state in states] for n in states[0] if n.endswith("/t")}
    assert counts == {
        "adam/discriminator/E/t": [0, 1, 2, 3, 1, 2],
        "adam/discriminator/D/t": [0, 1, 2, 3, 1, 2],
        "adam/generator/F/t": [0, 1, 2, 3, 1, 2],
        "adam/generator/G/t": [0, 1, 2, 3, 1, 2],
        "adam/reciprocity/E/t": [0, 1, 2, 3, 1, 2],
        "adam/reciprocity/G/t": [0, 1, 2, 3, 1, 2],
    }
    # After one step v is (1 − β2)·g², independent of the previous level.
    m, v = (states[FIRST_OF_LEVEL_1 + 1][f"adam/discriminator/D/{moment}/dense2/kernel"] for moment in "mv")
    np.testing.assert_allclose(v, 0.01 * np.square(m.astype(np.float64)), **FLOAT32)


@pytest.mark.slow
def test_moments_are_cleared_in_place(backend, monkeypatch):
    """At a new level the state is not copied to the host, and its tensors stay the same."""
    _, runner = start(backend, step=FIRST_OF_LEVEL_1 - 1)
    runner.step(images(2), only="generator")
    before, held = runner.state(), dict(runner.tensors)
    moments = {name for name in before if name.startswith("adam/")}
    assert any(before[name].any() for name in moments)
    seen, train = {}, runner.train

    def watched(*arguments):
        seen.update(
            {name: (runner.tensors[name], read(runner, runner.tensors[name])) for name in before if name != "step"}
        )
        return train(*arguments)

    read = type(runner).to_numpy
    with monkeypatch.context() as patch:
        patch.setattr(runner, "train", watched)
        patch.setattr(runner, "to_numpy", lambda tensor: pytest.fail("a tensor came to the host"))
        patch.setattr(runner, "place", lambda arrays: pytest.fail("a state was placed anew"))
        runner.step(images(3), only="generator")
    for name, (tensor, found) in seen.items():
        assert found.dtype == before[name].dtype
        assert np.array_equal(found, np.zeros_like(found) if name in moments else before[name]), name
        if backend.name != "jax":  # its arrays are immutable
            assert tensor is held[name], name


@pytest.mark.slow
def test_without_restarts_nothing_is_cleared(backend):
    _, runner = start(backend, step=FIRST_OF_LEVEL_1 - 1, growth__restart_adam=False)
    for step in (2, 3):
        runner.step(images(step), only="generator")
    assert runner.state()["adam/generator/G/t"] == 2


@pytest.mark.slow
def test_a_fade_trains_without_recompiling(backend):
    """The blend is an argument of the compiled step."""
    model, runner = start(backend, step=FIRST_OF_LEVEL_1)
    traces = []

    def count_calls(update):
        def loss(*arguments):
            traces.append(update.name)
            return update.loss(*arguments)

        return dataclasses.replace(update, loss=loss)

    model.updates = tuple(count_calls(update) for update in model.updates)
    blends = []
    for step in range(3, 8):
        blends.append(position(model.config, step).blend)
        runner.step(images(step), only="generator")
    assert len(set(blends)) > 2
    assert traces == ["generator"]


# ---- the model in training -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_truncation_uses_the_current_mean_during_training(backend):
    """As in a notebook, without saving a checkpoint first."""
    model, runner = start(backend)
    w = model.map(model.sample_prior(2))
    assert np.array_equal(model.truncate(w, 0.0), np.zeros((2, 4, 7)))
    for step in range(2):
        runner.step(images(step))
        mean = runner.state()["w_mean"]
        assert mean.any()
        assert np.array_equal(model.mean_of_w(), mean)
        assert np.array_equal(model.truncate(w, 0.0), np.tile(mean, (2, 4, 1)))
    runner.load(runner.state() | {"w_mean": np.arange(7, dtype=np.float32)})
    assert np.array_equal(model.truncate(w, 0.0), np.tile(np.arange(7), (2, 4, 1)))


@pytest.mark.slow
def test_gradients_do_not_reach_the_mean_of_w(backend):
    model, runner = start(backend)
    assert "w_mean" not in model.variables
    found = runner.gradients("generator", images(0), runner.draws(0, 4))
    assert not {name for name in found if "w_mean" in name}


@pytest.mark.slow
def test_a_growing_model_computes_with_its_current_weights(backend):
    model, runner = start(backend)
    x, view = images(0), alae.View(0)
    for step in range(2):
        twin = alae.build(model.config)
        twin.set_weights(runner.weights())
        np.testing.assert_allclose(model.reconstruct(x, view), twin.reconstruct(x, view), **FLOAT32)
        runner.step(images(step))
    before = runner.state()
    model.reconstruct(images(3), alae.View(1, 0.4), noise="random")
    assert all(np.array_equal(before[name], array) for name, array in runner.state().items())


@pytest.mark.slow
def test_real_images_fade_with_the_level(grown):
    """A step on images equals `losses`, which does not fade images, on faded ones."""
    runner, states, _ = grown
    runner.load(states[4])
    view, x = position(runner.model.config, 4).view, images(4)
    noise = [stream(9, "noise", i).standard_normal(shape, np.float32) for i, shape in enumerate(noise_shapes(1, 4))]
    given = {name: each._replace(noise=noise) for name, each in runner.draws(4, 4).items()}
    faded = runner.losses(runner.model.as_seen(x, view), given, blend=view.blend)["discriminator"]
    sharp = runner.losses(x, given, blend=view.blend)["discriminator"]
    assert abs(faded - sharp) > 1e-4
    np.testing.assert_allclose(runner.step(x, draws=given)["discriminator"], faded, **FLOAT32)


def test_a_run_resumed_during_a_fade_continues_bit_for_bit(grown):
    """Includes noise drawn on the device."""
    resumed, states, losses = grown
    resumed.load(states[4])
    assert dict(resumed.step(images(4))) == losses[4]
    found = resumed.state()
    assert all(np.array_equal(array, found[name]) for name, array in states[5].items())


@pytest.mark.slow
def test_noise_differs_between_seeds_and_steps(backend):
    _, runner = start(backend)
    _, other = start(backend, seed=1)
    drawn = {}
    for each in (runner, other):
        for step in (0, 1):
            for update in ("discriminator", "generator"):
                drawn[each.model.config.seed, step, update] = [
                    each.to_numpy(noise) for noise in each._draw_noise_maps(update, step, 1, 4)
                ]
    assert [noise.shape for noise in drawn[0, 0, "generator"]] == noise_shapes(1, 4)
    numbers = np.array([np.concatenate([noise.ravel() for noise in maps]) for maps in drawn.values()])
    assert len(np.unique(numbers)) > 0.999 * numbers.size
    assert abs(numbers.mean()) < 5 / np.sqrt(numbers.size)
    assert abs(numbers.var() - 1) < 5 * np.sqrt(2 / numbers.size)


def test_noise_maps_are_parts_of_one_draw_in_order(backend, monkeypatch):
    _, runner = start(backend)
    monkeypatch.setattr(runner, "draw_noise", lambda count, key: runner.to_device(np.arange(count, dtype=np.float32)))
    for lod in (0, 1, 0):
        maps = [runner.to_numpy(noise) for noise in runner._draw_noise_maps("generator", 0, lod, 4)]
        assert [noise.shape for noise in maps] == noise_shapes(lod, 4)
        numbers = np.concatenate([noise.ravel() for noise in maps])
        assert np.array_equal(numbers, np.arange(len(numbers)))


@pytest.mark.slow
def test_the_mean_of_w_moves_before_each_update(grown):
    """β·mean + (1 − β)·(batch mean of F(z)), at the weights of the previous update."""
    runner, states, _ = grown
    model = runner.model
    given, beta = runner.draws(0, 4), model.config.style.w_mean_beta
    state = states[0] | {"w_mean": np.linspace(-1, 1, 7, dtype=np.float32)}
    expected = state["w_mean"].astype(np.float64)
    runner.load(state)
    for update in _UPDATES:
        expected = beta * expected + (1 - beta) * model.map(given[update].z).astype(np.float64).mean(axis=0)
        runner.load(runner.state() | {"step": np.array(0, np.int64)})
        runner.step(images(0), only=update)
        np.testing.assert_allclose(runner.state()["w_mean"], expected, **FLOAT32)
    runner.load(state)
    runner.step(images(0))
    np.testing.assert_allclose(runner.state()["w_mean"], expected, **FLOAT32)


@pytest.mark.slow
def test_averages_decay_with_the_batch_size_of_the_level(grown):
    runner, states, _ = grown
    for step in (0, 3, 4):
        decay = 0.5 ** (position(runner.model.config, step).stage.batch_size / runner.model.config.average_halflife)
        for name in ("G/const", "E/block0/conv1/kernel", "F/dense0/kernel", "D/dense2/bias"):
            before, weight = states[step][f"averages/{name}"], states[step + 1][f"weights/{name}"]
            expected = decay * before.astype(np.float64) + (1 - decay) * weight
            np.testing.assert_allclose(states[step + 1][f"averages/{name}"], expected, **FLOAT32)


def test_passing_the_default_draws_gives_the_default_step(grown):
    resumed, states, losses = grown
    resumed.load(states[4])
    noise = resumed.noise(4, 4)
    given = {update: each._replace(noise=noise[update]) for update, each in resumed.draws(4, 4).items()}
    for update, loss in resumed.step(images(4), draws=given).items():
        np.testing.assert_allclose(loss, losses[4][update], **FLOAT32)
    resumed.load(states[4])
    other = {update: each._replace(noise=[-noise for noise in each.noise]) for update, each in given.items()}
    assert abs(resumed.step(images(4), draws=other)["generator"] - losses[4]["generator"]) > 1e-6


def test_layers_from_the_cutoff_on_use_the_other_style(grown):
    runner, states, _ = grown
    others = runner.draws(4, 4)
    plain = others["generator"]
    noise = [stream(9, "noise", i).standard_normal(shape, np.float32) for i, shape in enumerate(noise_shapes(1, 4))]

    def loss(z, mix, cutoff):
        runner.load(states[4])
        return runner.step(images(4), draws=others | {"generator": Draws(z, mix, cutoff, noise)})["generator"]

    unmixed, mixed = loss(plain.z, plain.z, 2), loss(plain.z, plain.mix, 2)
    np.testing.assert_allclose(loss(plain.z, plain.mix, 4), unmixed, **FLOAT32)
    np.testing.assert_allclose(loss(plain.mix, plain.z, 0), unmixed, **FLOAT32)
    assert abs(mixed - unmixed) > 1e-6


@pytest.mark.slow
def test_bfloat16_trains_near_float32(grown, backend):
    _, mixed = start(backend, precision="bfloat16")
    expected, found = grown[2][0], dict(mixed.step(images(0)))
    for update in expected:
        np.testing.assert_allclose(found[update], expected[update], **BFLOAT16)
        assert found[update] != expected[update], "nothing was computed in bfloat16"
    state = mixed.state()
    assert all(np.isfinite(array).all() for array in state.values())
    assert {array.dtype for array in state.values()} == {np.dtype(np.float32), np.dtype(np.int64)}


@pytest.mark.slow
def test_constant_images_keep_everything_finite(grown):
    """Its maps have zero variance, and R1 differentiates the division by a standard deviation or norm twice."""
    runner, states, _ = grown
    before = runner.state()
    runner.load(states[0])
    losses = dict(runner.step(np.zeros((4, 4, 4, 2), np.float32)))
    found = runner.state()
    runner.load(before)
    assert all(np.isfinite(loss) for loss in losses.values())
    # Adam's moments are the gradients and their squares.
    assert all(np.isfinite(array).all() for array in found.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "updates"),
    [
        ({"networks__encoder": "plain"}, _UPDATES),
        ({"networks__discriminator": "images"}, ("discriminator", "generator")),
        ({"reciprocity": "z", "networks__z": 7}, ("reciprocity",)),
    ],
    ids=["plain encoder", "discriminator of images", "reciprocity in z"],
)
def test_ablations_train_the_networks_of_their_updates(backend, overrides, updates):
    model, runner = start(backend, updates="official", **overrides)
    trains = {update.name: set(update.trains) for update in model.updates}
    for update in updates:
        before = runner.state()
        runner.load(before | {"step": np.array(0, np.int64)})
        assert np.isfinite(runner.step(images(0), only=update)[update])
        after = runner.state()
        assert {n.split("/")[0] for n in changed_arrays(before, after, "weights")} == trains[update]
        assert {n.split("/")[1] for n in changed_arrays(before, after, "adam")} == trains[update]
    assert model.reconstruct(images(0), alae.View(0)).shape == (4, 4, 4, 2)
