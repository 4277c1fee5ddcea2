"""The algorithms of `tests/helpers/algorithms.py` on the backend under test."""

import numpy as np
import pytest

import alae_core as alae
from tests.conftest import random_images, tiny_config, tiny_style_config
from tests.helpers.algorithms import register
from tests.tolerances import FLOAT32, STYLE

SHAPES = {"mlp": (4, 3, 2), "style": (4, 4, 2)}
TINY = {"mlp": tiny_config, "style": tiny_style_config}
ALGORITHMS = ("pixels", "alae+pixels")


@pytest.fixture(autouse=True)
def register_algorithms(monkeypatch):
    register(monkeypatch)


def config(algorithm, family, **overrides):
    faster = {"adam__learning_rate": 3e-3, "adam__warmup": 0.0}
    return TINY[family](algorithm=algorithm, **faster, **overrides)


def start(backend, algorithm, family="mlp", **overrides):
    return backend.runner(alae.build(config(algorithm, family, **overrides)))


def images(family, seed=0):
    return 0.5 * random_images(6, SHAPES[family], seed=seed)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("family", ["mlp", "style"])
def test_the_state_has_the_names_of_the_algorithms_networks(backend, algorithm, family):
    runner = start(backend, algorithm, family)
    networks = "GE" if algorithm == "pixels" else "FGED"
    adams = {("pixels", "E"), ("pixels", "G")}
    if algorithm == "alae+pixels":
        adams |= {("discriminator", "E"), ("discriminator", "D"), ("generator", "F"), ("generator", "G")}
        adams |= {("reciprocity", "E"), ("reciprocity", "G")}
    names = list(runner.state())
    for group in ("weights", "averages"):
        assert {name.split("/")[1] for name in names if name.startswith(group)} == set(networks)
    assert {tuple(name.split("/")[1:3]) for name in names if name.startswith("adam/")} == adams
    assert ("w_mean" in names) == (family == "style" and "F" in networks)
    assert (runner.model.w_mean is not None) == ("w_mean" in names)
    draws = runner.draws(0, 6)
    assert draws["pixels"] == alae.Draws(None)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_losses_fall(backend, algorithm):
    runner = start(backend, algorithm, adam__beta1=0.5)
    model, x = runner.model, images("mlp")
    error = np.square(x - model.reconstruct(x)).mean()
    losses = [dict(runner.step(x)) for _ in range(40)]
    assert set(losses[0]) == {update.name for update in model.updates}
    if algorithm == "pixels":
        np.testing.assert_allclose(losses[0]["pixels"], error, **FLOAT32)
    assert losses[-1]["pixels"] < 0.8 * losses[0]["pixels"]
    assert np.square(x - model.reconstruct(x)).mean() < 0.8 * error


@pytest.mark.slow
def test_losses_fall_without_a_prior_at_each_level(backend):
    runner = start(backend, "pixels", "style")
    losses = [runner.step(images("style"))["pixels"] for _ in range(3)]
    assert losses[-1] < losses[0]
    assert set(runner.gradients("pixels", images("style"), runner.draws(0, 6))) == {
        name for name in runner.model.variables if runner.model.family.takes_part(name, 0)
    }


def test_an_update_without_z_can_draw_noise(backend):
    """Noise drawn on the device or passed in; without noise, the gradient of a noise weight is zero."""
    runner, x = start(backend, "pixels", "style"), images("style")
    maps = runner.model.sample_noise(6, view=alae.View(0))

    def largest_gradient(draws):
        found = runner.gradients("pixels", x, {"pixels": draws})
        return np.abs([found[f"G/block0/styled{i}/noise"] for i in (1, 2)]).max()

    assert largest_gradient(runner.draws(0, 6)["pixels"]) > 0
    assert largest_gradient(alae.Draws(None, noise=maps)) > 0
    assert largest_gradient(alae.Draws(None, noise=[np.zeros_like(each) for each in maps])) == 0


def test_updates_can_leave_the_mean_of_w_unchanged(backend):
    """The fourth update draws no z, so it cannot move the mean."""
    runner, x = start(backend, "alae+pixels", "style"), images("style")
    runner.step(x, only="reciprocity")
    before = runner.state()
    runner.step(x, only="pixels")
    after = runner.state()
    assert before["w_mean"].any()
    assert np.array_equal(before["w_mean"], after["w_mean"])
    assert not np.array_equal(before["weights/E/block0/conv1/kernel"], after["weights/E/block0/conv1/kernel"])


def test_a_fourth_update_does_not_change_the_first_three(backend):
    """It comes last, with its own draws and moments."""
    alae_alone, four = backend.runner(alae.build(config("alae", "mlp"))), start(backend, "alae+pixels")
    x = images("mlp")
    expected, found = dict(alae_alone.step(x)), dict(four.step(x))
    for update, loss in expected.items():
        np.testing.assert_allclose(found[update], loss, **STYLE)
    one, other = alae_alone.state(), four.state()
    for name in one:
        if name.startswith("adam/") or name.split("/")[1:2] in (["F"], ["D"]):
            np.testing.assert_allclose(other[name], one[name], **STYLE)
    assert not np.array_equal(one["weights/G/dense0/kernel"], other["weights/G/dense0/kernel"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checkpoint_resumes_bit_for_bit(backend, algorithm, tmp_path):
    straight = start(backend, algorithm)
    for step in range(2):
        straight.step(images("mlp", step))
    alae.save_checkpoint(tmp_path, straight)
    checkpoint = alae.load_checkpoint(tmp_path)
    assert checkpoint.config == straight.model.config
    resumed = backend.runner(checkpoint.model(averaged=False))
    resumed.load(checkpoint.state)
    for step in range(2, 4):
        assert dict(straight.step(images("mlp", step))) == dict(resumed.step(images("mlp", step)))
    found = resumed.state()
    assert all(np.array_equal(array, found[name]) for name, array in straight.state().items())
    model = alae.load(tmp_path)
    assert model.reconstruct(images("mlp")).shape == (6, 4, 3, 2)


def test_loading_a_checkpoint_of_an_unregistered_algorithm_names_it(backend, tmp_path, monkeypatch):
    runner = start(backend, "pixels")
    alae.save_checkpoint(tmp_path, runner)
    monkeypatch.undo()
    with pytest.raises(
        alae.CheckpointError,
        match=r"there is no algorithm 'pixels'; algorithms: alae, autoencoder, vae, bigan; .*--plugin",
    ):
        alae.load_checkpoint(tmp_path)
