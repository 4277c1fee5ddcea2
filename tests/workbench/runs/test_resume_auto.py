"""`alae train --resume auto`: one command that starts a run, continues it, or finds it finished."""

import json
import os
from shutil import copytree

import numpy as np
import pytest

import alae_core as alae
from alae_core.checkpoint_files import checkpoints
from alae_workbench import train as train_here
from alae_workbench.runs.plan import plan
from alae_workbench.runs.request import RunRequest
from alae_workbench.runs.settings import load_experiment
from alae_workbench.storage.directory import Run
from tests.conftest import call_alae, content
from tests.helpers.runs import SMALL_RUN, make_set_options

BACKEND = os.environ.get("KERAS_BACKEND", "jax")
SMALL = SMALL_RUN | {"training.checkpoint_every": 5}


def train(directory, *options, code=0, **overrides):
    """Run one command, as a scheduler does again and again; returns its output and errors."""
    words = ["--preset", "digits-mlp", "--out", "run", "--resume", "auto", "--backend", BACKEND]
    words += make_set_options(SMALL | overrides)
    found, out, err = call_alae(directory, "train", *words, *options)
    assert found == code, f"{out}\n{err}"
    return out, err


def last_line(text):
    return text.strip().splitlines()[-1]


def list_steps(run):
    return [int(path.name.removeprefix("step-")) for path in checkpoints(run / "checkpoints")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run of 10 steps."""
    folder = tmp_path_factory.mktemp("finished")
    train(folder, "--steps", 10)
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of `finished` that a test may change."""
    copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def make_plan(folder, **fields):
    """Plan a run in `folder`/run; takes no step."""
    return plan(RunRequest(resume="auto", out=folder / "run", backend=BACKEND, **fields))


@pytest.mark.parametrize("before", ["missing", "empty", "new file system", "killed before its first checkpoint"])
def test_a_directory_without_a_run_starts_one(tmp_path, before):
    run = tmp_path / "run"
    if before != "missing":
        run.mkdir()
    if before == "new file system":
        (run / "lost+found").mkdir()
    if before.startswith("killed"):
        (run / ".alae.lock").touch()
        (run / "config.yaml").write_text("batch_size: 7\n")
    planned = make_plan(tmp_path, config="digits-mlp", steps=5)
    assert planned.checkpoint is None
    assert planned.run.path == run
    assert planned.experiment == load_experiment("digits-mlp", {"training.steps": 5})


def test_an_interrupted_run_continues_with_a_new_length_and_new_records(folder):
    out, _ = train(folder, "--steps", 12, **{"training.report_every": 1, "training.keep_checkpoints": 9})
    assert "resuming at step 10 of 12" in out
    assert list_steps(folder / "run") == [5, 10, 12]
    steps = [step for step, _ in Run(folder / "run").read_records()]
    assert steps == [5, 5, 10, 10, 11, 12, 12]


@pytest.mark.parametrize("steps", [10, 7])
def test_a_run_that_has_all_steps_is_finished_and_left_as_it_is(folder, steps):
    before = content(folder)
    out, err = train(folder, "--steps", steps)
    assert (out, err) == (f"run is finished: 10 steps are done, {steps} were requested\n", "")
    assert content(folder) == before
    summary = train_here(resume="auto", out=folder / "run", observers=[], backend=BACKEND)
    assert summary.step == 10
    assert summary.measures == json.loads((folder / "run" / "summary.json").read_text())["measures"]
    assert summary.grid.exists()
    assert summary.checkpoint.exists()


def test_a_run_stopped_after_its_last_step_is_finished(folder):
    file = folder / "run" / "summary.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"measures": {}, "stopped_by": "SIGTERM"}))
    summary = train_here(resume="auto", out=folder / "run", observers=[], backend=BACKEND)
    assert (summary.step, summary.measures, summary.stopped_by) == (10, {}, None)
    file.unlink()
    summary = train_here(resume="auto", out=folder / "run", observers=[], backend=BACKEND)
    assert (summary.step, summary.measures, summary.checkpoint.name) == (10, {}, "step-00000010")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks.w": 9}, "run/checkpoints/step-00000010 was trained with networks.w=7, but now networks.w=9 is"),
        ({"adam.learning_rate": 0.5}, "adam.learning_rate=0.5 is requested: use the settings of that run, change"),
        ({"seed": 3}, "was trained with seed=0, but now seed=3 is requested"),
        ({"training.mirror": True}, "was trained with training.mirror=False, but now training.mirror=True"),
    ],
    ids=str,
)
def test_another_configuration_is_refused(folder, change, message):
    before = content(folder)
    _, err = train(folder, "--steps", 20, code=2, **change)
    assert message in err
    assert content(folder) == before


def test_another_preset_is_refused(folder):
    code, _, err = call_alae(folder, "train", "--preset", "digits-conv", "--out", "run", "--resume", "auto")
    assert code == 2
    assert "run/checkpoints/step-00000010 was trained with " in err


def test_other_images_are_refused(folder):
    np.save(folder / "other.npy", np.zeros((200, 8, 8), np.uint8))
    _, err = train(folder, "--steps", 20, "--data", "other.npy", code=2)
    assert "--other-data is not set, but the run was trained on other images: 1,797 then, 200 now, with the " in err


def test_without_a_preset_the_run_decides(folder):
    words = ["train", "--out", "run", "--resume", "auto", "--backend", BACKEND]
    assert call_alae(folder, *words) == (0, "run is finished: 10 steps are done, 10 were requested\n", "")
    code, _, err = call_alae(folder, *words, "--set", "networks.w=9")
    assert code == 2
    assert "was trained with networks.w=7, but now networks.w=9" in err


def test_images_set_a_new_length_of_a_configuration_made_for_them(tmp_path, backend):
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 256, (20, 16, 16), np.uint8))
    fields = {"data": tmp_path / "grey.npy", "overrides": {"networks.widths": [2, 2], "networks.w": 3}}
    first = make_plan(tmp_path, images=1000, **fields)
    config, training = first.experiment.config, first.experiment.training
    run = {"training": training.model_dump(mode="json")}
    alae.save_checkpoint(first.run.checkpoints, backend.runner(alae.build(config)), run=run)
    longer = make_plan(tmp_path, images=3200, **fields)
    assert (first.experiment.steps, longer.experiment.steps) == (32, 100)
    assert longer.experiment.config == config
    assert make_plan(tmp_path, **fields).experiment.steps == 32


def test_other_files_are_never_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("mine: 1")
    _, err = train(tmp_path, code=2)
    assert last_line(err) == ("alae: run is not empty: it has other files than those of a run; choose another --out")
    assert content(tmp_path) == {"run/config.yaml": b"mine: 1"}


def test_a_damaged_checkpoint_is_reported_with_an_intact_one(folder):
    file = folder / "run" / "checkpoints" / "step-00000010" / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    _, err = train(folder, "--steps", 20, code=2)
    assert "is damaged" in err
    assert "an older one is intact: give run/checkpoints/step-00000005 instead" in err


def test_a_directory_in_use_is_refused_with_exit_code_4(folder):
    with Run(folder / "run").lock():
        _, err = train(folder, "--steps", 20, code=4)
    assert last_line(err).startswith("alae: another process is training in run: wait for it")


def test_auto_needs_a_directory(tmp_path):
    code, _, err = call_alae(tmp_path, "train", "--resume", "auto")
    assert code == 2
    assert last_line(err) == "alae: --resume is auto, which continues the directory given by --out: add --out DIR"


def test_a_refused_run_keeps_no_lock(folder):
    (folder / "run" / ".alae.lock").unlink()
    train(folder, "--steps", 20, code=2, **{"networks.w": 9})
    assert not (folder / "run" / ".alae.lock").exists()
