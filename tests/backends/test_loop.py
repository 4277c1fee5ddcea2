"""The training loop on the backend under test, with networks and updates of third-party algorithms."""

import shutil

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_workbench import Terminal, train
from tests.conftest import slow, tiny_config, tiny_style_config
from tests.helpers.algorithms import register

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 2), np.uint8)
TRAINING = {"training.held_out": 10, "training.report_every": 3, "training.checkpoint_every": 4}


def tiny(**overrides):
    return tiny_config(image=[8, 8, 2], **overrides)


def same(first, second):
    states = [alae.load_checkpoint(each).state for each in (first, second)]
    return states[0].keys() == states[1].keys() and all(np.array_equal(a, states[1][n]) for n, a in states[0].items())


@pytest.mark.parametrize("family", ["mlp", *slow("style")])
@pytest.mark.parametrize("algorithm", ["pixels", *slow("alae+pixels")])
def test_third_party_algorithms_train_report_save_and_resume(backend, tmp_path, monkeypatch, algorithm, family):
    """The loop of `alae train`, including progress bar, metrics, grid, checkpoint and resume."""
    register(monkeypatch)
    make = tiny if family == "mlp" else tiny_style_config
    config = make(algorithm=algorithm)

    def run(steps, out=None, **choices):
        chosen = None if "resume" in choices else config
        return train(
            chosen,
            data=PIXELS,
            backend=backend,
            steps=steps,
            out=out,
            overrides=TRAINING,
            observers=[Terminal()],
            **choices,
        )

    straight = run(6, tmp_path / "straight")
    assert "pixels" in straight.losses
    assert len(straight.losses) == (1 if algorithm == "pixels" else 4)
    measures = {"reconstruction_error", "mean_image_error", "nearest_image_error"}
    if algorithm == "alae+pixels":
        measures |= {"reciprocity_error", "overfitting"}
    assert straight.measures.keys() == measures
    with Image.open(straight.grid) as picture:
        assert min(picture.size) > 60
    # As if the run had been interrupted after step 4.
    shutil.copytree(straight.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / straight.checkpoint.name)
    assert same(run(6, resume=tmp_path / "run").checkpoint, straight.checkpoint)
    model = alae.load_checkpoint(straight.checkpoint).model()
    assert model.networks.keys() == set("GE" if algorithm == "pixels" else "FGED")
    if algorithm == "pixels":
        with pytest.raises(alae.AlaeError, match="the model has no network F: pixels has G, E"):
            model.map(np.zeros((1, 5)))
