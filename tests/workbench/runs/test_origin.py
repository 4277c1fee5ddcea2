"""Runs that start from the weights of another run."""

import os
from shutil import copytree, rmtree

import numpy as np
import pytest
from pydantic import ValidationError

import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.transfer import match_weights
from alae_workbench import train
from alae_workbench.exchange.official import import_official
from alae_workbench.runs.origin import Origin
from alae_workbench.runs.plan import plan
from alae_workbench.runs.request import RunRequest
from alae_workbench.runs.train import make_trainer
from tests.conftest import tiny_config
from tests.helpers.requirements import OFFICIAL, needs_official

BACKEND = os.environ.get("KERAS_BACKEND", "jax")
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 2), np.uint8)
TRAINING = {"training.held_out": 10, "training.report_every": 3, "training.checkpoint_every": 2}


def request(**fields):
    return RunRequest(**{"data": PIXELS, "backend": BACKEND, "overrides": TRAINING} | fields)


def start(**fields):
    """The state before the first step, and the plan, of a run."""
    asked = request(**fields)
    chosen = plan(asked)
    return make_trainer(asked, chosen, []).runner.state(), chosen


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a run of 4 steps."""
    folder = tmp_path_factory.mktemp("origin")
    train(request(config=tiny_config(image=[8, 8, 2]), steps=4, out=folder / "first"), observers=[])
    return folder


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """A copy of `finished` that a test may change, as the working directory."""
    copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_starts_with_the_weights_and_averages_of_another_and_a_fresh_optimizer(folder):
    state, chosen = start(origin="first", steps=2)
    given = alae.load_checkpoint("first").state
    for name, array in state.items():
        if name.startswith(("weights/", "averages/")):
            assert np.array_equal(array, given[name]), name
        else:
            assert not array.any(), name
    assert (state["step"], given["step"]) == (0, 4)
    assert chosen.run.path.parts == ("runs", f"first-tuned-{BACKEND}")
    origin = chosen.experiment.training.origin
    assert (origin.path, origin.step) == (str(folder / "first/checkpoints/step-00000004"), 4)
    assert chosen.reasons == [f"starting from first, step 4, SHA-256 {origin.sha256[:12]}…: 20 weights taken over"]


def test_the_run_records_its_origin_and_continues_without_it(folder):
    """A run of two steps and two more equals one of four, and needs no origin any more."""
    for name in ("whole", "parts"):
        train(request(origin="first", steps=4 if name == "whole" else 2, out=name), observers=[])
    recorded = alae.load_checkpoint("parts").run["training"]["origin"]
    assert recorded["step"] == 4
    rmtree("first")
    train(request(resume="parts", steps=4), observers=[])
    whole, parts = (alae.load_checkpoint(each) for each in ("whole", "parts"))
    assert parts.run["training"]["origin"] == recorded
    assert all(np.array_equal(array, whole.state[name]) for name, array in parts.state.items())


def test_a_run_killed_before_its_first_checkpoint_starts_over_from_its_origin(folder):
    _, chosen = start(origin="first", steps=2)
    killed = folder / "killed"
    killed.mkdir()
    (killed / ".alae.lock").touch()
    (killed / "config.yaml").write_text(chosen.experiment.to_yaml(), "utf-8")
    state, again = start(resume="killed")
    assert again.experiment.training.origin == chosen.experiment.training.origin
    assert np.array_equal(
        state["weights/F/dense0/kernel"], alae.load_checkpoint("first").state["weights/F/dense0/kernel"]
    )
    # The origin has changed since.
    checkpoint = alae.load_checkpoint("first")
    state = checkpoint.state | {"weights/F/dense0/bias": np.ones(11, np.float32)}
    rmtree(checkpoint.path)
    write_checkpoint(folder / "first" / "checkpoints", state, checkpoint.config, author=alae.load_backend(BACKEND))
    with pytest.raises(alae.CheckpointError, match=r"is not the checkpoint that training.origin records"):
        plan(request(resume="killed"))


def test_the_same_request_starts_and_continues_the_run(folder):
    fields = {"origin": "first", "resume": "auto", "out": "run"}
    assert plan(request(**fields, steps=2)).origin is not None
    train(request(**fields, steps=2), observers=[])
    continued = plan(request(**fields, steps=4))
    assert (continued.checkpoint.step, continued.origin) == (2, None)
    with pytest.raises(alae.ConfigError, match=r"was trained with training.origin="):
        plan(request(config=tiny_config(image=[8, 8, 2]), resume="auto", out="run", steps=4))


def test_weights_that_do_not_fit_are_refused_by_name_or_left_out(folder):
    fields = {"origin": "first", "steps": 2, "overrides": TRAINING | {"networks.D.hidden": [9]}}
    with pytest.raises(
        alae.CheckpointError, match=r"^3 weights of .*first/.*D.dense0.kernel: \(7, 8\) there, \(7, 9\) h"
    ):
        plan(request(**fields))
    state, chosen = start(**fields, partial=True)
    given, fresh = alae.load_checkpoint("first").state, alae.build(chosen.experiment.config).weights()
    assert np.array_equal(state["weights/E/dense0/kernel"], given["weights/E/dense0/kernel"])
    assert np.array_equal(state["weights/D/dense0/kernel"], fresh["D/dense0/kernel"])
    assert chosen.reasons[0].endswith("17 weights taken over, 3 do not fit:")
    assert len(chosen.reasons) == 4


@needs_official
def test_networks_of_the_authors_grow_and_keep_their_mean_of_w(tmp_path):
    imported = import_official(OFFICIAL / "style32.pth", tmp_path / "imported")
    pixels = np.zeros((40, 64, 64, 3), np.uint8)
    settings = TRAINING | {"image": [64, 64, 3], "growth.from_level": 4, "batch_size": 2}
    state, chosen = start(origin=imported, data=pixels, overrides=settings)
    given = alae.load_checkpoint(imported).state
    assert np.array_equal(state["w_mean"], given["w_mean"])
    assert all(np.array_equal(state[name], array) for name, array in given.items() if name.startswith("averages/"))
    assert " of new levels start afresh" in chosen.reasons[0]
    assert (chosen.experiment.config.lods, chosen.experiment.config.growth.from_level) == (5, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resume": "first", "origin": "first"}, "first resumes with its own weights, not those of first"),
        ({"partial": True}, "partial is only for a run that starts from another"),
        ({"origin": "absent"}, "there is no checkpoint in absent"),
        ({"origin": "shipped", "overrides": {"algorithm": "autoencoder"}}, r"weights of shipped do not fit the model"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("folder")
def test_wrong_requests_are_refused(fields, message):
    with pytest.raises(alae.AlaeError, match=message):
        plan(request(**fields))


def test_a_wrong_record_is_refused():
    with pytest.raises(ValidationError):
        Origin(path="run", step=-1)


def test_networks_of_another_kind_are_refused(folder):
    checkpoint = alae.load_checkpoint("first")
    found = match_weights(checkpoint.state, checkpoint.config, checkpoint.config, {"H/kernel": (2,)})
    assert not found.taken
