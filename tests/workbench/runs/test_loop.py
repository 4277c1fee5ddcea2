"""Whole runs of `alae train`: files, resuming, signals, kills, divergence and full disks."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core._support.files import read_regular
from alae_core.checkpoint_files import checkpoints
from alae_workbench import Observer
from alae_workbench import train as train_here
from alae_workbench.runs.settings import load_experiment
from alae_workbench.storage.directory import Run
from tests.conftest import call_alae
from tests.helpers.runs import SMALL_RUN, make_set_options

#: number of random kills; ALAE_TEST_KILLS sets more
KILLS = int(os.environ.get("ALAE_TEST_KILLS", "2"))
BACKEND = os.environ.get("KERAS_BACKEND", "jax")
SMALL = SMALL_RUN | {"training.checkpoint_every": 10, "training.grid_every": 640}


def make_words(*options, **overrides):
    flags = make_set_options(SMALL | overrides)
    preset = [] if "--resume" in options and "auto" not in options else ["--preset", "digits-mlp"]
    return ["train", *preset, "--backend", BACKEND, *map(str, options), *flags]


def train(directory, *options, code=0, **overrides):
    """Train in this process; returns (stdout, stderr)."""
    found, out, err = call_alae(directory, *make_words(*options, **overrides))
    assert found == code, f"{out}\n{err}"
    return out, err


def start_training(directory, *options, **overrides):
    """Start training in a separate process, which a test may signal or kill."""
    return subprocess.Popen(
        [sys.executable, "-m", "alae_cli", *make_words(*options, **overrides)],
        cwd=directory,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def list_steps(run):
    return [int(path.name.removeprefix("step-")) for path in checkpoints(run / "checkpoints")]


def wait_for(condition, process, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "the run did not get there in time"
        time.sleep(0.01)


def have_same_state(first, second):
    states = [alae.load_checkpoint(run).state for run in (first, second)]
    return all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """An uninterrupted run of 60 steps, and its output."""
    directory = tmp_path_factory.mktemp("uninterrupted")
    out, _ = train(directory, "--steps", 60, "--out", "run")
    return directory / "run", out


def test_a_run_writes_all_its_files(uninterrupted):
    run, out = uninterrupted
    assert load_experiment(run / "config.yaml").training.steps == 60
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "losses" in record] == list(range(5, 61, 5))
    assert set(records[0]["losses"]) == {"discriminator", "generator", "reciprocity"}
    times = [datetime.fromisoformat(record["time"]) for record in records]
    assert times == sorted(times)
    assert all(record["images"] == 16 * record["step"] for record in records)
    assert list_steps(run)[-3:] == [40, 50, 60]
    assert sorted(path.name for path in (run / "grids").iterdir()) == ["step-00000040.png", "step-00000060.png"]
    with Image.open(run / "grids" / "step-00000060.png") as picture:
        assert min(picture.size) > 300
    assert list(run.glob("events.*"))
    summary = json.loads((run / "summary.json").read_text())
    assert summary["measures"]["nearest_neighbour_pixels"] > 0.9
    for shown in ("reciprocity error", "reconstruction error", "on pixels", "grids/step-00000060.png"):
        assert shown in out


def test_a_slow_run_draws_its_first_grid_early(tmp_path, monkeypatch):
    """Step 1 compiles, 2 to 4 are timed. A resumed run draws no early grid."""
    monkeypatch.setattr("alae_workbench.runs.loop.FIRST_GRID_SECONDS", 1e-9)
    slow = {"training.grid_every": 10**6}
    train(tmp_path, "--steps", 7, "--out", "run", **slow)
    train(tmp_path, "--resume", "run", "--steps", 14)
    names = sorted(path.name for path in (tmp_path / "run" / "grids").iterdir())
    assert names == ["step-00000005.png", "step-00000007.png", "step-00000014.png"]


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(uninterrupted, tmp_path):
    train(tmp_path, "--steps", 25, "--out", "run")
    train(tmp_path, "--resume", "run", "--steps", 60)
    assert have_same_state(tmp_path / "run", uninterrupted[0])
    records = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert records == sorted(records)


def test_requested_measures_are_recorded_and_one_selects_the_best_checkpoint(tmp_path, monkeypatch):
    """The best checkpoint is selected by PSNR, of which higher is better."""
    asked = {"training.measures": ["spread", "psnr"], "training.measure_every": 5, "training.best": "psnr"}
    monkeypatch.setattr("alae_workbench.runs.loop.MEASURING_SHARE", 1.0)
    train(tmp_path, "--steps", 20, "--out", "run", **asked, **{"training.checkpoint_every": 5})
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()]
    found = {
        record["step"]: record["evaluation"] for record in records if "rank_mapped" in record.get("evaluation", {})
    }
    assert list(found) == [5, 10, 15, 20]
    assert set(found[5]) == {"rank_encoded", "isotropy_encoded", "rank_mapped", "isotropy_mapped", "psnr"}
    kept = {
        step: alae.load_checkpoint(path)
        for step, path in zip(list_steps(tmp_path / "run"), checkpoints(tmp_path / "run" / "checkpoints"), strict=True)
    }
    assert {step: checkpoint.measure for step, checkpoint in kept.items()} == {
        step: pytest.approx(-found[step]["psnr"]) for step in kept
    }
    (events,) = (tmp_path / "run").glob("events.*")
    content = events.read_bytes()
    assert b"evaluation/rank_mapped" in content
    assert (tmp_path / "run" / "grids" / "step-00000020.png").read_bytes() in content, "TensorBoard shows the grids"


def test_measures_take_at_most_a_twentieth_of_a_run(tmp_path, monkeypatch):
    """In a run of a few seconds, a measure that takes a second is taken only once."""
    from alae_workbench.runs import loop

    taken = []
    take_measures = loop.take_measures

    def take_slowly(subject, names):
        taken.append(names)
        time.sleep(1)
        return take_measures(subject, names)

    monkeypatch.setattr(loop, "take_measures", take_slowly)
    train(tmp_path, "--steps", 30, "--out", "run", **{"training.measures": ["psnr"], "training.measure_every": 1})
    assert taken == [["psnr"]]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"training.measures": ["pnsr"]}, "there is no measure 'pnsr'; did you mean 'psnr'?"),
        (
            {"training.best": "rank_mapped"},
            "training.best is 'rank_mapped'; it must be a measure that can be ranked: reciprocity_error, ",
        ),
        ({"training.best": "probes"}, "training.best is 'probes'; it must be a measure that can be ranked"),
    ],
)
def test_unknown_measures_are_refused_before_the_first_step(tmp_path, setting, message):
    _, err = train(tmp_path, "--steps", 5, "--out", "run", code=2, **setting)
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_stop(tmp_path, number, code):
    run = tmp_path / "run"
    process = start_training(tmp_path, "--steps", 100_000, "--out", "run")
    wait_for(lambda: list_steps(run), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, f"{out}\n{err}"
    saved = list_steps(run)[-1]
    assert last_line(err) == (
        f"alae: stopped by {number.name}; saved step {saved}; resume with: alae train --resume run"
    )
    assert json.loads((run / "summary.json").read_text())["stopped_by"] == number.name
    train(tmp_path, "--resume", "run", "--steps", saved + 5)
    assert list_steps(run)[-1] == saved + 5


class Interrupter(Observer):
    """Presses Ctrl-C after a step, and records the notes."""

    def __init__(self, step):
        self.step, self.notes = step, []

    def on_report(self, report):
        if report.step == self.step:
            signal.raise_signal(signal.SIGINT)

    def on_note(self, text):
        self.notes.append(text)


def test_in_a_notebook_ctrl_c_saves_after_the_next_step_and_returns(tmp_path, uninterrupted):
    interrupter = Interrupter(5)
    summary = train_here(
        "digits-mlp", overrides=SMALL, backend=BACKEND, steps=60, out=tmp_path / "run", observers=[interrupter]
    )
    assert (summary.step, summary.stopped_by, summary.grid, summary.measures) == (6, "SIGINT", None, {})
    assert interrupter.notes[-1].startswith("SIGINT: saved step 6; resume with: alae train --resume ")
    assert list_steps(tmp_path / "run") == [6]
    train(tmp_path, "--resume", "run", "--steps", 60)
    assert have_same_state(tmp_path / "run", uninterrupted[0])


@pytest.mark.slow
def test_random_kills_do_not_lose_progress_before_the_last_checkpoint(tmp_path):
    """The killed run streams a prepared set; the uninterrupted run keeps the same images in memory."""
    run, moments = tmp_path / "run", random.Random(0)
    assert call_alae(tmp_path, "data", "prepare", "digits", "prepared", "--workers", "1")[0] == 0
    stream = {"training.data": "prepared", "training.checkpoint_every": 1}
    process = start_training(tmp_path, "--steps", 1_000_000, "--out", "run", **stream)
    wait_for(lambda: list_steps(run), process)
    for _ in range(KILLS):
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.communicate()
        last = list_steps(run)[-1]
        assert alae.load_checkpoint(run).step == last
        process = start_training(tmp_path, "--resume", "run")
        wait_for(lambda last=last: list_steps(run)[-1] > last, process)
    process.kill()
    process.communicate()
    last = list_steps(run)[-1]
    train(tmp_path, "--resume", "run", "--steps", last + 1)
    train(tmp_path, "--steps", last + 1, "--out", "straight", **{"training.checkpoint_every": 1000})
    assert have_same_state(run, tmp_path / "straight"), "the killed run equals the uninterrupted one"


def test_a_run_is_never_overwritten(uninterrupted):
    run, _ = uninterrupted
    _, err = train(run.parent, "--steps", 5, "--out", "run", code=2)
    assert err.strip().splitlines()[-1].startswith("alae: run is not empty: continue that run with --resume run")


@pytest.mark.parametrize("every", [1, 1000])
def test_divergence_stops_at_the_last_good_checkpoint(tmp_path, every):
    # Adam's steps have the size of the learning rate whatever the gradient: these overflow float32 within a few steps.
    rate = {"adam.learning_rate": 1e18, "training.report_every": 1, "training.checkpoint_every": every}
    _, err = train(tmp_path, "--steps", 2000, "--out", "run", code=3, **rate)
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


def test_resuming_an_earlier_checkpoint_sets_later_ones_aside(tmp_path):
    train(tmp_path, "--steps", 30, "--out", "run")
    train(tmp_path, "--resume", "run/checkpoints/step-00000010", "--steps", 15)
    assert list_steps(tmp_path / "run") == [10, 15]
    records = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert records == [5, 10, 10, 15, 15]
    assert (tmp_path / "run" / "checkpoints" / "abandoned-step-00000030").exists()


def read_records(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@contextmanager
def limit_file_sizes(size):
    """Simulate a full disk: files cannot grow beyond `size` bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def last_line(err):
    return err.strip().splitlines()[-1]


def test_resuming_an_earlier_checkpoint_twice_keeps_both_branches(tmp_path):
    train(tmp_path, "--steps", 20, "--out", "run")
    for _ in range(2):
        train(tmp_path, "--resume", "run/checkpoints/step-00000010", "--steps", 20)
    names = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert names == {"step-00000010", "step-00000020", "abandoned-step-00000020", "abandoned-2-step-00000020"}
    assert [record["step"] for record in read_records(tmp_path / "run")] == [5, 10, 10, 15, 20, 20]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--resume", "--out"])
def test_a_run_killed_before_its_first_checkpoint_starts_over(tmp_path, how):
    run = tmp_path / "run"
    process = start_training(tmp_path, "--steps", 1_000_000, "--out", "run", **{"training.checkpoint_every": 1_000_000})
    wait_for(lambda: (run / "metrics.jsonl").exists(), process)
    process.kill()
    process.communicate()
    assert not list_steps(run)
    train(tmp_path, how, "run", "--steps", 10)
    assert list_steps(run) == [10]
    assert [record["step"] for record in read_records(run)] == [5, 10, 10]
    assert len(list(run.glob("events.*"))) == 1


def test_a_directory_that_is_not_a_run_is_never_overwritten(tmp_path):
    run = tmp_path / "run"
    (run / "grids").mkdir(parents=True)
    (run / "config.yaml").write_text("mine: 1")
    _, err = train(tmp_path, "--steps", 5, "--out", "run", code=2)
    assert "run is not empty" in last_line(err)
    assert (run / "config.yaml").read_text() == "mine: 1"


@pytest.mark.slow
def test_a_second_process_is_refused(tmp_path):
    run = tmp_path / "run"
    process = start_training(tmp_path, "--steps", 1_000_000, "--out", "run")
    wait_for(lambda: (run / "config.yaml").exists(), process)
    before = (run / "config.yaml").read_bytes()
    # Before the first checkpoint, the lock makes --resume fail; after it, --out also fails because the run exists.
    for words in (["--resume", "run"], ["--resume", "auto", "--out", "run"]):
        _, err = train(tmp_path, *words, code=4)
        assert last_line(err).startswith("alae: another process is training in run: wait for it")
    wait_for(lambda: list_steps(run), process)
    for words, code in ((["--resume", "run"], 4), (["--resume", "auto", "--out", "run"], 4), (["--out", "run"], 2)):
        _, err = train(tmp_path, *words, "--steps", 7, code=code)
        assert last_line(err).startswith("alae: ")
        assert (run / "config.yaml").read_bytes() == before
    process.kill()
    process.communicate()
    train(tmp_path, "--resume", "run", "--steps", list_steps(run)[-1] + 1)


def test_the_second_of_two_processes_that_start_in_an_empty_directory_is_refused(tmp_path):
    config = load_experiment("digits-mlp").to_yaml()
    first, second = Run.new(tmp_path / "run"), Run.new(tmp_path / "run")
    with first.lock():
        first.begin(config, None)
        with pytest.raises(alae.StorageError, match="another process is training"), second.lock():
            pass
        (first.checkpoints / "step-00000001").mkdir()
    with second.lock(), pytest.raises(alae.AlaeError, match="is not empty"):
        second.begin(config, None)


def test_a_run_stops_at_once_if_its_directory_is_removed(tmp_path):
    steps_reported, run = [], tmp_path / "run"

    class Remover(Observer):
        def on_report(self, report):
            steps_reported.append(report.step)
            run.rename(tmp_path / "elsewhere")

    with pytest.raises(alae.StorageError, match="removed or moved"):
        train_here(
            "digits-mlp",
            overrides=SMALL | {"training.checkpoint_every": 1000, "training.grid_every": 10**6},
            backend=BACKEND,
            steps=1000,
            out=run,
            observers=[Remover()],
        )
    assert steps_reported == [5]
    assert not run.exists()


# Which of metrics and events reaches the limit first depends on the number of digits of the speed.
APPENDED = "(metrics.jsonl|events.out.tfevents)"


@pytest.mark.slow
@pytest.mark.parametrize(("most", "full"), [(100, "config.yaml"), (None, APPENDED), (9000, "checkpoints")])
def test_a_full_disk_stops_the_run_and_it_resumes_once_there_is_room(uninterrupted, tmp_path, most, full):
    run = tmp_path / "run"
    train(tmp_path, "--steps", 20, "--out", "run")
    before = [read_regular(run / name) for name in ("config.yaml", "metrics.jsonl")]
    with limit_file_sizes(most or len(before[0]) + 50):
        _, err = train(tmp_path, "--resume", "run", "--steps", 60, code=4, **{"training.report_every": 1})
    assert re.search(f"alae: run/{full}.*: File too large; the run stopped at step .* --resume run", last_line(err))
    assert "Traceback" not in err
    assert list_steps(run) == [10, 20]
    assert read_regular(run / "metrics.jsonl").startswith(before[1])
    # Following the advice works.
    train(tmp_path, "--resume", "run", "--steps", 60)
    assert have_same_state(run, uninterrupted[0])
    assert [record["step"] for record in read_records(run)] == [
        record["step"] for record in read_records(uninterrupted[0])
    ]
