"""Checkpoints: exact round trips, atomic writes, damage named, no code executed."""

import errno
import json
import os
import pickle
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import alae_core as alae
import alae_core.checkpoint_writing as writing_module
from alae_core.checkpoint_files import checkpoints
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.growth import position
from tests.conftest import random_images, tiny_config, tiny_conv_config, tiny_style_config
from tests.helpers.checkpoints import FORMAT_1_CONFIG, rewrite_manifest, rewrite_state, write_format_1


@pytest.fixture(scope="module")
def trained(backend, tmp_path_factory):
    """A runner, its state after three steps, and the directory with a checkpoint of each step."""
    directory = tmp_path_factory.mktemp("trained")
    runner = backend.runner(alae.build(tiny_config()))
    for measure in (0.3, 0.1, 0.2):
        runner.step(random_images())
        alae.save_checkpoint(directory, runner, measure=measure, run={"training": {"steps": 20, "data": None}})
    return runner, runner.state(), directory


@pytest.fixture
def saved(trained, tmp_path):
    """A runner after three steps, and a directory with its checkpoints, which a test may change."""
    runner, state, directory = trained
    runner.load(state)
    return runner, shutil.copytree(directory, tmp_path, dirs_exist_ok=True)


def test_a_checkpoint_round_trips_every_bit(saved, backend):
    runner, directory = saved
    checkpoint = alae.load_checkpoint(directory)
    assert (checkpoint.step, checkpoint.config, checkpoint.measure) == (3, runner.model.config, 0.2)
    assert checkpoint.path == directory / "step-00000003"
    assert (checkpoint.backend, checkpoint.view) == (backend.name, None)
    assert checkpoint.versions.items() >= backend.versions().items()
    assert checkpoint.versions.keys() >= {"alae", "keras"}
    assert checkpoint.run == {"training": {"steps": 20, "data": None}}
    state = runner.state()
    assert checkpoint.state.keys() == state.keys()
    for name, array in state.items():
        assert checkpoint.state[name].dtype == array.dtype
        assert np.array_equal(checkpoint.state[name], array), name


def test_a_checkpoint_of_conv_networks_round_trips(backend, tmp_path):
    runner = backend.runner(alae.build(tiny_conv_config(schedule={"images": 60, "rate_end": 0.1})))
    runner.step(random_images(6, (8, 10, 2)))
    alae.save_checkpoint(tmp_path, runner)
    checkpoint, state = alae.load_checkpoint(tmp_path), runner.state()
    assert (checkpoint.config, checkpoint.step, checkpoint.view) == (runner.model.config, 1, None)
    assert checkpoint.state.keys() == state.keys()
    assert all(np.array_equal(checkpoint.state[name], array) for name, array in state.items())
    loaded, expected = alae.load(tmp_path).weights(), runner.weights(averaged=True)
    assert all(np.array_equal(loaded[name], weight) for name, weight in expected.items())


@pytest.mark.parametrize("averaged", [False, True])
def test_its_model_has_averaged_or_trained_weights(saved, averaged):
    runner, directory = saved
    expected = runner.weights(averaged)
    for model in (alae.load_checkpoint(directory).model(averaged), alae.load(directory, averaged=averaged)):
        found = model.weights()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert not np.array_equal(runner.weights(True)["E/dense0/kernel"], runner.weights(False)["E/dense0/kernel"])


def test_a_loaded_model_has_averaged_weights_by_default(saved):
    runner, directory = saved
    assert np.array_equal(alae.load(directory).weights()["E/dense0/kernel"], runner.weights(True)["E/dense0/kernel"])
    run = directory / "run"
    shutil.copytree(directory / "step-00000002", run / "checkpoints" / "step-00000002")
    for path in (directory / "step-00000002", str(run)):
        model = alae.load(path)
        assert model.encode(random_images()).shape == (6, 7)
        second = alae.load_checkpoint(directory / "step-00000002").state
        assert np.array_equal(model.weights()["G/dense0/bias"], second["averages/G/dense0/bias"])


def test_a_loaded_model_has_the_view_of_its_last_step(backend, tmp_path):
    """Its styles are truncated towards the mean from training."""
    config = tiny_style_config()
    runner = backend.runner(alae.build(config))
    started = runner.state()
    for step in (0, 3, 5, 100):
        runner.load(started | {"step": np.array(step, np.int64), "w_mean": np.full(7, step, np.float32)})
        alae.save_checkpoint(tmp_path, runner)
    # Step 3 is the first step of the second level.
    for step, view in ((0, alae.View(0)), (3, alae.View(0)), (100, alae.View(1))):
        checkpoint = alae.load_checkpoint(tmp_path / f"step-{step:08d}")
        assert checkpoint.view == checkpoint.model().view == view
    halfway = alae.load_checkpoint(tmp_path / "step-00000005")
    assert halfway.view == alae.View(1, position(config, 4).blend)
    assert 0 < halfway.view.blend < 1
    model = alae.load(halfway.path)
    w = model.map(model.sample_prior(2))
    assert model.generate(w).shape == (2, 8, 8, 2)
    assert np.array_equal(model.generate(w), model.generate(w, halfway.view))
    assert np.array_equal(model.truncate(w, 0.0), np.full((2, 4, 7), 5, np.float32))


def test_a_checkpoint_records_the_images_shown_at_each_level_and_earlier_ones_imply_them(backend, tmp_path):
    runner = backend.runner(alae.build(tiny_style_config()))
    runner.load(runner.state() | {"step": np.array(5, np.int64)})
    path = alae.save_checkpoint(tmp_path, runner)
    assert alae.load_checkpoint(path).shown == (12, 12)
    rewrite_manifest(path / "manifest.json", lambda manifest: manifest | {"shown": [12, 13]})
    assert alae.load_checkpoint(path).shown == (12, 13)
    rewrite_manifest(path / "manifest.json", lambda manifest: manifest | {"shown": [25]})
    with pytest.raises(alae.CheckpointError, match=r"damaged: shown is \(25,\), .* a number for each of 2"):
        alae.load_checkpoint(path)
    rewrite_manifest(path / "manifest.json", lambda data: {key: data[key] for key in data if key != "shown"})
    assert alae.load_checkpoint(path).shown == (12, 12)


def test_a_checkpoint_has_a_one_line_repr(saved, tmp_path, backend):
    _, directory = saved
    checkpoint = alae.load_checkpoint(directory)
    weights = sum(array.size for name, array in checkpoint.state.items() if name.startswith("weights/"))
    shown = repr(checkpoint)
    assert shown.startswith(f"<checkpoint {checkpoint.path}: step 3, {weights:,} weights, written by {backend.name}; ")
    assert "\n" not in shown
    assert len(shown) < 500


def test_a_state_can_be_written_without_a_runner(saved, tmp_path):
    runner, _ = saved
    author = SimpleNamespace(name="abacus", versions=lambda: {"beads": "7"})
    path = write_checkpoint(tmp_path / "new", runner.state(), runner.model.config, author=author)
    checkpoint = alae.load_checkpoint(path)
    assert (checkpoint.backend, checkpoint.versions["beads"], checkpoint.measure) == ("abacus", "7", None)
    assert (checkpoint.run, checkpoint.config) == ({}, runner.model.config)


def test_a_state_may_have_only_averages_as_float16(saved, tmp_path):
    runner, directory = saved
    state = {
        name: array.astype(np.float16) if array.dtype == np.float32 else array
        for name, array in runner.state().items()
        if name.startswith("averages/") or name == "step"
    }
    author = SimpleNamespace(name="abacus", versions=dict)
    path = write_checkpoint(tmp_path / "new", state, runner.model.config, author=author)
    loaded, averages = alae.load(path).weights(), alae.load(directory).weights()
    assert all(np.array_equal(loaded[name], weight.astype(np.float16)) for name, weight in averages.items())
    assert {weight.dtype for weight in loaded.values()} == {np.dtype("float32")}
    assert repr(alae.load_checkpoint(path)).startswith(f"<checkpoint {path}: step 3, ")
    with pytest.raises(alae.CheckpointError, match="was exported and has only averaged networks; for the networks as"):
        alae.load(path, averaged=False)
    with pytest.raises(alae.CheckpointError, match="the arrays do not fit the model: missing"):
        runner.load(state)
    for fault, message in (
        (lambda name: name != "averages/G/dense0/bias", "averages of G are"),
        (lambda name: name.startswith("weights/") or name == "step", "averages of F are 0 numbers"),
    ):
        damaged = {name: array for name, array in (runner.state() | state).items() if fault(name)}
        path = write_checkpoint(tmp_path / "new", damaged, runner.model.config, author=author)
        with pytest.raises(alae.CheckpointError, match=message):
            alae.load_checkpoint(path)
    for group in ("weights/", "averages/"):
        damaged = {name: array for name, array in runner.state().items() if not name.startswith(group)}
        path = write_checkpoint(tmp_path / "new", damaged, runner.model.config, author=author)
        with pytest.raises(alae.CheckpointError, match=f"{group[:-1]} of F are 0 numbers"):
            alae.load_checkpoint(path)


# ---- retention -------------------------------------------------------------------------------------------------------


def save_with_measures(directory, measures, keep):
    """Save a checkpoint with each measure; returns the steps of the remaining checkpoints."""
    state = {"step": np.array(0, np.int64), "weights/E/dense0/bias": np.zeros(1, np.float32)}
    author = SimpleNamespace(name="abacus", versions=dict)
    for step, measure in enumerate(measures):
        state["step"] = np.array(step, np.int64)
        write_checkpoint(directory, state, tiny_config(), author=author, measure=measure, keep=keep)
    return [int(path.name.removeprefix("step-")) for path in checkpoints(directory)]


@pytest.mark.parametrize(
    ("measures", "keep", "expected"),
    [
        ([None, None, None, None], 2, [2, 3]),
        ([None, None, None, None], None, [0, 1, 2, 3]),
        ([0.3, 0.1, 0.2, 0.4], 1, [1, 3]),
        ([0.3, 0.1, 0.2, 0.05], 1, [3]),
        ([None, 0.5, None, None], 1, [1, 3]),
        ([0.5, None, None, 0.4], 1, [3]),
        ([0.0, 0.1, 0.1], 1, [0, 2]),
    ],
)
def test_the_newest_and_the_best_are_kept(tmp_path, measures, keep, expected):
    """Without measures, no checkpoint is the best, so the oldest is removed."""
    assert save_with_measures(tmp_path, measures, keep) == expected


def test_checkpoints_are_sorted_by_step_not_by_name(tmp_path, backend):
    for step in (99_999_999, 100_000_000):
        write_checkpoint(tmp_path, {"step": np.asarray(step, np.int64)}, tiny_config(), author=backend, keep=1)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-100000000"]


def test_a_run_keeps_the_newest_and_the_best(saved):
    runner, directory = saved
    runner.step(random_images())
    alae.save_checkpoint(directory, runner, measure=0.4, keep=1)
    assert [path.name for path in checkpoints(directory)] == ["step-00000002", "step-00000004"]


def test_leftovers_of_a_killed_writer_are_ignored_and_removed(saved):
    runner, directory = saved
    shutil.copytree(directory / "step-00000003", directory / ".writing-step-00000009")
    assert alae.load_checkpoint(directory).step == 3
    runner.step(random_images())
    alae.save_checkpoint(directory, runner)
    assert not list(directory.glob(".writing-*"))


@pytest.mark.parametrize("file", ["state.safetensors", "manifest.json"])
def test_a_full_disk_keeps_the_old_checkpoint_and_removes_the_new(saved, monkeypatch, file):
    runner, directory = saved
    before = sorted(directory.rglob("*"))

    def full(path, content):
        if path.name == file:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.write_bytes(content)

    monkeypatch.setattr(writing_module, "write_atomically", full)
    with pytest.raises(OSError, match=rf"No space left on device: '.*{re.escape(file)}'"):
        alae.save_checkpoint(directory, runner)
    assert sorted(directory.rglob("*")) == before
    assert alae.load_checkpoint(directory).step == 3


# ---- damage ----------------------------------------------------------------------------------------------------------


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
    assert f"an older one is intact: give {directory / 'step-00000002'} instead" in str(caught.value)
    assert alae.load_checkpoint(str(caught.value).split("give ")[1].removesuffix(" instead")).step == 2


def test_an_edited_manifest_is_refused_as_damaged(saved):
    _, directory = saved
    path = directory / "step-00000003" / "manifest.json"
    path.write_text(path.read_text().replace('"step": 3', '"step": 4'))
    with pytest.raises(
        alae.CheckpointError, match=r"manifest\.json is damaged: its SHA-256 does not match its content"
    ):
        alae.load_checkpoint(directory)


def test_a_pickle_instead_of_the_state_is_refused(saved, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").touch, ())

    _, directory = saved
    (directory / "step-00000003" / "state.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(alae.CheckpointError, match="damaged"):
        alae.load_checkpoint(directory)
    assert not tmp_path.joinpath("executed").exists()


def test_a_missing_checkpoint_names_the_directory(tmp_path):
    with pytest.raises(alae.CheckpointError, match=f"no checkpoint in {tmp_path}"):
        alae.load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("step", None, "the key 'step' is missing"),
        ("step", "three", "step is 'three'"),
        ("step", -1, "step is -1"),
        ("step", 2, "state.safetensors is damaged: its step is array(3), but that of manifest.json is 2"),
        ("metric", float("nan"), "metric is nan"),
        ("versions", {"alae": 1}, "versions.alae is 1"),
        ("config", [], "config is []"),
        ("config", {}, "the key 'image' is missing"),
        ("run", "digits", "run is 'digits'"),
        ("files", {}, "files is {}"),
        ("files", {"state.safetensors": "0" * 64, "../../x": "0" * 64}, "files.../../x.[key] is '../../x'"),
        ("files", {"/dev/zero": "0" * 64}, "input should be 'state.safetensors'"),
        ("files", {"a\0b": "0" * 64}, "input should be 'state.safetensors'"),
        ("more", 1, "unknown key 'more'"),
    ],
)
def test_a_manifest_with_a_valid_hash_is_still_validated(saved, key, value, message):
    _, directory = saved
    changes = {} if value is None else {key: value}
    rewrite_manifest(
        directory / "step-00000003" / "manifest.json",
        lambda manifest: {name: kept for name, kept in manifest.items() if name != key} | changes,
    )
    with pytest.raises(alae.CheckpointError, match=re.escape(message)) as caught:
        alae.load_checkpoint(directory)
    assert f"give {directory / 'step-00000002'} instead" in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"run": ' * 300, "9" * 5000, "3", "null", "\0", " " * 2**21])
def test_a_file_that_is_not_a_manifest_is_refused(saved, text):
    _, directory = saved
    for step in (2, 3):
        (directory / f"step-0000000{step}" / "manifest.json").write_text(text)
    with pytest.raises(alae.CheckpointError, match=r"is not a manifest|more than the 1,048,576") as caught:
        alae.load_checkpoint(directory)
    assert f"give {directory / 'step-00000001'} instead" in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
@pytest.mark.parametrize("file", ["state.safetensors", "manifest.json"])
def test_irregular_files_are_refused_at_once(saved, file):
    _, directory = saved
    path = directory / "step-00000003" / file
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(alae.CheckpointError, match="cannot be read: it is not a regular file"):
        alae.load_checkpoint(directory)


def test_an_unreadable_manifest_is_not_written(saved):
    runner, directory = saved
    before = sorted(directory.rglob("*"))
    for run, message in [
        ({"of": object()}, "run must be plain data"),
        ({"of": "x" * 2**20}, "run makes a manifest of 1,0"),
    ]:
        with pytest.raises(alae.ArgumentError, match=message):
            alae.save_checkpoint(directory, runner, run=run)
    assert sorted(directory.rglob("*")) == before


@pytest.mark.parametrize("measure", [float("nan"), float("inf")])
def test_measures_that_are_not_finite_are_saved_as_none(saved, measure):
    runner, directory = saved
    assert alae.load_checkpoint(alae.save_checkpoint(directory, runner, measure=measure)).measure is None


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("weights/F/dense0/bias", np.full(11, np.nan, np.float32), "'weights/F/dense0/bias' is not finite"),
        ("adam/generator/F/m/dense0/bias", np.full(11, np.inf, np.float32), "is not finite"),
        ("averages/F/dense0/bias", np.zeros(12, np.float32), "averages of F are 151 numbers, not 150"),
        ("weights/F/dense9/bias", np.zeros(2, np.float32), "weights of F are 152 numbers, not 150"),
        ("weights/F/dense0/bias", np.zeros(11, bool), "'weights/F/dense0/bias' has the dtype bool"),
        ("step", np.zeros((3, 3), np.int64), "its step is array"),
        ("step", np.array(3.0), "its step is array(3.)"),
    ],
)
def test_a_state_with_a_valid_hash_is_still_validated(saved, name, array, message):
    runner, directory = saved
    rewrite_state(directory / "step-00000003", runner.state() | {name: array})
    with pytest.raises(alae.CheckpointError, match=re.escape(message)) as caught:
        alae.load_checkpoint(directory)
    assert f"give {directory / 'step-00000002'} instead" in str(caught.value)


def test_a_state_that_is_not_finite_is_not_written(saved):
    runner, directory = saved
    runner.load(runner.state() | {"weights/F/dense0/bias": np.full(11, np.nan, np.float32)})
    with pytest.raises(alae.CheckpointError, match="'weights/F/dense0/bias' is not finite"):
        alae.save_checkpoint(directory / "new", runner)
    assert not (directory / "new").exists()


# ---- versions --------------------------------------------------------------------------------------------------------


def test_the_first_format_is_read(saved, tmp_path):
    runner, _ = saved
    path = tmp_path / "old" / "step-00000003"
    write_format_1(path, runner.state(), FORMAT_1_CONFIG)
    checkpoint = alae.load_checkpoint(path.parent)
    assert checkpoint.config == tiny_config(description="")
    assert (checkpoint.step, checkpoint.measure, checkpoint.backend) == (3, 0.25, "torch")
    # Remove the settings that are part of the configuration now.
    training = {key: value for key, value in FORMAT_1_CONFIG["training"].items() if key not in ("batch_size", "seed")}
    assert checkpoint.run == {"training": training}
    assert all(np.array_equal(array, runner.state()[name]) for name, array in checkpoint.state.items())
    before = runner.state()
    runner.load(checkpoint.state)
    assert all(np.array_equal(array, before[name]) for name, array in runner.state().items())


def test_a_run_of_the_first_format_keeps_its_seed(saved, tmp_path):
    """The seed was outside the configuration, and decided every draw."""
    runner, _ = saved
    write_format_1(tmp_path / "old" / "step-00000003", runner.state(), FORMAT_1_CONFIG, seed=5)
    assert alae.load_checkpoint(tmp_path / "old").config.seed == 5


def test_a_newer_format_is_refused(saved):
    _, directory = saved
    path = directory / "step-00000003" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 3}))
    with pytest.raises(alae.CheckpointError, match="format 3, but this version of alae reads formats 1 to 2"):
        alae.load_checkpoint(directory)


def test_a_newer_specification_is_refused(saved):
    _, directory = saved
    path = directory / "step-00000003" / "manifest.json"
    rewrite_manifest(path, lambda manifest: manifest | {"config": manifest["config"] | {"specification": 3}})
    with pytest.raises(alae.CheckpointError, match=r"version 3 of the specification, but .* reads 1 to 2") as caught:
        alae.load_checkpoint(directory)
    assert "\n" not in str(caught.value)


# ---- strictness ------------------------------------------------------------------------------------------------------


def test_loading_is_strict_and_atomic(saved):
    runner, _ = saved
    state = runner.state()
    other = {name: array + 1 for name, array in state.items()}
    with pytest.raises(alae.CheckpointError, match="unknown \\['extra'\\]"):
        runner.load(other | {"extra": np.zeros(1)})
    with pytest.raises(alae.CheckpointError, match="missing \\['step'\\]"):
        runner.load({name: array for name, array in other.items() if name != "step"})
    with pytest.raises(alae.CheckpointError, match="weights/E/dense0/bias has shape \\(3,\\), but the model needs"):
        runner.load(other | {"weights/E/dense0/bias": np.zeros(3, np.float32)})
    with pytest.raises(alae.CheckpointError, match="adam/generator/F/m/dense0/bias has shape \\(3,\\), but"):
        runner.load(other | {"adam/generator/F/m/dense0/bias": np.zeros(3, np.float32)})
    huge = np.full(state["weights/E/dense0/bias"].shape, 1e300)
    with pytest.raises(alae.CheckpointError, match="weights/E/dense0/bias has numbers that are too large for float32"):
        runner.load(other | {"weights/E/dense0/bias": huge})
    with pytest.raises(alae.CheckpointError, match="E/dense0/bias has numbers that are too large for float32"):
        runner.model.set_weights(
            {name: array + 1 for name, array in runner.weights().items()} | {"E/dense0/bias": huge}
        )
    assert all(np.array_equal(array, runner.state()[name]) for name, array in state.items())
