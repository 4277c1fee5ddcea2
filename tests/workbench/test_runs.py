"""Whole runs of `alae train`: stopping, killing, resuming, and what they leave behind."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core.checkpoint import checkpoints
from alae_workbench.experiment import load_experiment
from tests.conftest import TINY, call_alae

#: random moments at which a run is killed; any number must do, and a patient tester sets more
KILLS = int(os.environ.get("ALAE_TEST_KILLS", "2"))
BACKEND = os.environ.get("KERAS_BACKEND", "jax")
SMALL = {key: value for key, value in TINY.items() if key.startswith("networks")} | {
    "batch_size": 16,
    "training.held_out": 100,
    "training.report_every": 5,
    "training.checkpoint_every": 10,
    "training.grid_every": 640,
}


def words(*options, **overrides):
    settings = [f"{key}={json.dumps(value)}" for key, value in (SMALL | overrides).items()]
    flags = [word for setting in settings for word in ("--set", setting)]
    return ["train", "--backend", BACKEND, *map(str, options), *flags]


def train(directory, *options, code=0, **overrides):
    """A run from its beginning to its end, in this process; returns (stdout, stderr)."""
    found, out, err = call_alae(directory, *words(*options, **overrides))
    assert found == code, f"{out}\n{err}"
    return out, err


def start(directory, *options, **overrides):
    """A run in a process of its own, for whatever may happen to a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "alae_cli", *words(*options, **overrides)],
        cwd=directory,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def steps(run):
    return [int(path.name.removeprefix("step-")) for path in checkpoints(run / "checkpoints")]


def wait_for(condition, process, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "the run did not get there in time"
        time.sleep(0.01)


def same_state(first, second):
    states = [alae.load_checkpoint(run).state for run in (first, second)]
    return all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run of 60 steps that nothing interrupted."""
    directory = tmp_path_factory.mktemp("straight")
    out, _ = train(directory, "--steps", 60, "--out", "run")
    return directory / "run", out


def test_a_run_leaves_what_it_promises(straight):
    run, out = straight
    assert load_experiment(run / "config.yaml").training.steps == 60
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "losses" in record] == list(range(5, 61, 5))
    assert set(records[0]["losses"]) == {"discriminator", "generator", "reciprocity"}
    assert steps(run)[-3:] == [40, 50, 60]
    assert sorted(path.name for path in (run / "grids").iterdir()) == ["step-00000040.png", "step-00000060.png"]
    with Image.open(run / "grids" / "step-00000060.png") as picture:
        assert min(picture.size) > 300
    assert list(run.glob("events.*"))
    summary = json.loads((run / "summary.json").read_text())
    assert summary["measures"]["nearest_neighbour_pixels"] > 0.9
    for shown in ("reciprocity error", "reconstruction error", "raw pixels", "grids/step-00000060.png"):
        assert shown in out


def test_n_and_resume_and_n_are_2n_bit_for_bit(straight, tmp_path):
    train(tmp_path, "--steps", 25, "--out", "run")
    train(tmp_path, "--resume", "run", "--steps", 60)
    assert same_state(tmp_path / "run", straight[0])
    records = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert records == sorted(records)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_stop(tmp_path, number, code):
    run = tmp_path / "run"
    process = start(tmp_path, "--steps", 100_000, "--out", "run")
    wait_for(lambda: steps(run), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    assert (process.returncode, "Traceback" in err) == (code, False), f"{out}\n{err}"
    saved = steps(run)[-1]
    assert f"{number.name}: saved step {saved}; go on with: alae train --resume run" in out
    train(tmp_path, "--resume", "run", "--steps", saved + 5)
    assert steps(run)[-1] == saved + 5


def test_kills_at_random_moments_lose_nothing_before_the_last_checkpoint(tmp_path):
    run, moments = tmp_path / "run", random.Random(0)
    process = start(tmp_path, "--steps", 1_000_000, "--out", "run", **{"training.checkpoint_every": 1})
    wait_for(lambda: steps(run), process)
    for _ in range(KILLS):
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.communicate()
        last = steps(run)[-1]
        assert alae.load_checkpoint(run).step == last
        process = start(tmp_path, "--resume", "run")
        wait_for(lambda last=last: steps(run)[-1] > last, process)
    process.kill()
    process.communicate()
    last = steps(run)[-1]
    train(tmp_path, "--resume", "run", "--steps", last + 1)
    train(tmp_path, "--steps", last + 1, "--out", "straight", **{"training.checkpoint_every": 1000})
    assert same_state(run, tmp_path / "straight"), "the run that was killed is the run that was not"


def test_a_run_is_never_overwritten(straight):
    run, _ = straight
    _, err = train(run.parent, "--steps", 5, "--out", "run", code=2)
    assert err.strip().splitlines()[-1].startswith("alae: run is not empty: go on with that run by --resume run")


@pytest.mark.parametrize("every", [1, 1000])
def test_divergence_stops_at_the_last_good_checkpoint(tmp_path, every):
    # Adam's step has the size of its rate, whatever the gradient: this one overflows float32 within steps.
    rate = {"adam.learning_rate": 1e18, "training.report_every": 1, "training.checkpoint_every": every}
    _, err = train(tmp_path, "--steps", 2000, "--out", "run", code=2, **rate)
    message = err.strip().splitlines()[-1]
    assert "so the run stopped" in message
    assert "try a lower adam.learning_rate" in message
    kept = checkpoints(tmp_path / "run" / "checkpoints")
    if every == 1000:
        assert not kept
        assert " loss is " in message
        assert "no checkpoint had been written" in message
    for path in kept:
        assert kept[-1].name in message
        assert all(np.isfinite(array).all() for array in alae.load_checkpoint(path).state.values())


def test_going_back_to_an_earlier_checkpoint_sets_later_ones_aside(tmp_path):
    train(tmp_path, "--steps", 30, "--out", "run")
    train(tmp_path, "--resume", "run/checkpoints/step-00000010", "--steps", 15)
    assert steps(tmp_path / "run") == [10, 15]
    records = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert records == [5, 10, 10, 15, 15]
    assert (tmp_path / "run" / "checkpoints" / "abandoned-step-00000030").exists()
