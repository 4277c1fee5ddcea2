"""Baselines on the backend under test: training, inference and resuming."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.evaluate import take_due
from alae_workbench.evaluation.subject import Subject
from tests.conftest import slow, tiny_config, tiny_style_config

BASELINES = {"autoencoder": "reconstruction", "vae": "evidence", "bigan": "generator"}
CONFIGS = {
    "mlp": lambda algorithm, **more: tiny_config(algorithm=algorithm, networks__z=6, networks__w=6, **more),
    "style": lambda algorithm, **more: tiny_style_config(algorithm=algorithm, networks__z=7, **more),
}


def start(backend, algorithm, family, **more):
    return backend.runner(alae.build(CONFIGS[family](algorithm, **more)))


def images(runner, seed=0, count=6):
    shape = runner.model.image_shape(alae.View(0) if runner.model.view else None)
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


@pytest.mark.parametrize("family", ["mlp", *slow("style")])
@pytest.mark.parametrize("algorithm", ["bigan", *slow("autoencoder", "vae")])
def test_baselines_train_compute_and_resume(backend, algorithm, family, tmp_path):
    straight = start(backend, algorithm, family)
    for step in range(2):
        losses = dict(straight.step(images(straight, step)))
    assert BASELINES[algorithm] in losses
    assert all(np.isfinite(loss) for loss in losses.values())
    alae.save_checkpoint(tmp_path, straight)
    checkpoint = alae.load_checkpoint(tmp_path)
    resumed = backend.runner(checkpoint.model(averaged=False))
    resumed.load(checkpoint.state)
    one, other = dict(straight.step(images(straight, 2))), dict(resumed.step(images(straight, 2)))
    assert one == other
    model = alae.load(tmp_path)
    x = images(straight)
    assert model.reconstruct(x).shape == x.shape
    assert model.encode(x).shape == (6, model.config.networks.w)
    assert model.has("F") == (algorithm != "autoencoder")
    data = DataSet(
        Arrays(np.zeros((8, *model.config.image), np.uint8)), Arrays(np.zeros((4, *model.config.image), np.uint8))
    )
    found = take_due(Subject(model, data), "report")
    assert ("reciprocity_error" in found) == model.has("F")


@pytest.mark.parametrize("algorithm", ["vae", "bigan"])
def test_the_prior_is_on_w_itself(backend, algorithm):
    model = alae.build(CONFIGS["mlp"](algorithm))
    z = model.sample_prior(5, seed=3)
    np.testing.assert_array_equal(model.map(z), z)
    assert not any(name.startswith("F/") for name in model.variables)


def test_a_variational_autoencoder_reduces_its_reconstruction_error(backend):
    runner = start(backend, "vae", "mlp", adam__learning_rate=3e-3, adam__warmup=0.0, adam__beta1=0.5)
    x = 0.5 * images(runner)
    losses = [runner.step(x)["evidence"] for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_samples_need_a_prior(backend):
    model = alae.build(CONFIGS["mlp"]("autoencoder"))
    with pytest.raises(alae.AlaeError, match="the model has no network F: autoencoder has G, E"):
        model.map(np.zeros((1, 6), np.float32))
