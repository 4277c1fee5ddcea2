"""Checkpoints: exact round trips, whole or absent, every damage named, nothing executed."""

import json
import pickle
import shutil

import numpy as np
import pytest

import alae_core as alae
from alae_core.checkpoint import checkpoints
from tests.conftest import random_images, tiny_config


@pytest.fixture(scope="module")
def trained(backend, tmp_path_factory):
    """A runner, its state after three steps, and the directory where each step left a checkpoint."""
    config, directory = tiny_config(), tmp_path_factory.mktemp("trained")
    runner = backend.runner(alae.build(config), config)
    for metric in (0.3, 0.1, 0.2):
        runner.step(random_images())
        alae.save_checkpoint(directory, runner.state(), config, seed=0, backend=backend, metric=metric)
    return runner, runner.state(), directory


@pytest.fixture
def saved(trained, tmp_path):
    """A runner after three steps, and a directory with a checkpoint of each that a test may do anything to."""
    runner, state, directory = trained
    runner.load(state)
    return runner, shutil.copytree(directory, tmp_path, dirs_exist_ok=True)


def test_a_checkpoint_gives_back_every_bit(saved):
    runner, directory = saved
    checkpoint = alae.load_checkpoint(directory)
    assert (checkpoint.step, checkpoint.seed, checkpoint.config) == (3, 0, runner.config)
    assert checkpoint.versions.keys() >= {"alae", "keras"}
    state = runner.state()
    assert checkpoint.state.keys() == state.keys()
    for name, array in state.items():
        assert checkpoint.state[name].dtype == array.dtype
        assert np.array_equal(checkpoint.state[name], array), name


@pytest.mark.parametrize("averaged", [False, True])
def test_its_model_has_the_weights_asked_for(saved, averaged):
    runner, directory = saved
    found, expected = alae.load_checkpoint(directory, averaged=averaged).model.weights(), runner.weights(averaged)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert not np.array_equal(runner.weights(True)["E/dense0/kernel"], runner.weights(False)["E/dense0/kernel"])


def test_the_newest_and_the_best_are_kept(saved, backend):
    runner, directory = saved
    runner.step(random_images())
    alae.save_checkpoint(directory, runner.state(), runner.config, seed=0, backend=backend, metric=0.4, keep=1)
    assert [path.name for path in checkpoints(directory)] == ["step-00000002", "step-00000004"]


def test_what_a_killed_writer_left_is_no_checkpoint_and_is_cleared(saved, backend):
    runner, directory = saved
    shutil.copytree(directory / "step-00000003", directory / ".writing-step-00000009")
    assert alae.load_checkpoint(directory).step == 3
    runner.step(random_images())
    alae.save_checkpoint(directory, runner.state(), runner.config, seed=0, backend=backend)
    assert not list(directory.glob(".writing-*"))


@pytest.mark.parametrize("file", ["state.safetensors", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_damage_is_named_with_the_newest_intact_checkpoint(saved, file, damage):
    _, directory = saved
    path = directory / "step-00000003" / file
    content = bytearray(path.read_bytes())
    if damage == "delete":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    with pytest.raises(alae.CheckpointError) as caught:
        alae.load_checkpoint(directory)
    assert str(path) in str(caught.value)
    assert f"an older one is intact: {directory / 'step-00000002'}" in str(caught.value)


def test_a_manifest_that_was_edited_is_damaged(saved):
    _, directory = saved
    path = directory / "step-00000003" / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(alae.CheckpointError, match=r"manifest\.json is damaged: its own SHA-256 does not fit"):
        alae.load_checkpoint(directory)


def test_a_pickle_in_place_of_the_state_is_refused_unread(saved, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").touch, ())

    _, directory = saved
    (directory / "step-00000003" / "state.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(alae.CheckpointError, match="damaged"):
        alae.load_checkpoint(directory)
    assert not tmp_path.joinpath("executed").exists()


def test_a_newer_format_is_refused_as_such(saved):
    _, directory = saved
    path = directory / "step-00000003" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(alae.CheckpointError, match="format 2, but this version of alae reads format 1"):
        alae.load_checkpoint(directory)


def test_no_checkpoint_says_where_it_looked(tmp_path):
    with pytest.raises(alae.CheckpointError, match=f"no checkpoint in {tmp_path}"):
        alae.load_checkpoint(tmp_path)


def test_loading_is_strict(saved, backend):
    runner, _ = saved
    state = runner.state()
    with pytest.raises(alae.CheckpointError, match="unknown \\['extra'\\]"):
        runner.load(state | {"extra": np.zeros(1)})
    with pytest.raises(alae.CheckpointError, match="missing \\['step'\\]"):
        runner.load({name: array for name, array in state.items() if name != "step"})
    with pytest.raises(alae.CheckpointError, match="weights/E/dense0/bias has shape \\(3,\\), but the model needs"):
        runner.load(state | {"weights/E/dense0/bias": np.zeros(3, np.float32)})
