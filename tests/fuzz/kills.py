"""Crash tests: kill training runs or preparations at random moments, and check that nothing saved is lost.

    python -m tests.fuzz.kills --count 300 --backend torch jax
    python -m tests.fuzz.kills --prepare 20

A third of the kills hit rewrites and renames of files. These need no framework: a forked child writes the files that a
run writes around its steps, repeatedly, and is killed shortly after an unfinished file appears. The other kills hit
`alae train` at random moments while it starts, trains and resumes.

After every kill, the configuration is intact, the newest checkpoint is still there and valid, and the records of losses
are complete up to it. After a few kills, the run resumes to its end and equals, bit for bit, one that was never killed.

`alae data prepare` is killed at random moments, every third time while it writes the files that follow the last shard.
It resumes without rewriting finished shards, and gives the same bytes as a preparation that was never killed.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

from alae_cli import app
from alae_core import load_checkpoint
from alae_core.checkpoint_files import checkpoints
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.sizes import count_weights
from alae_workbench.data.prepared import set_format
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.set_format import MANIFEST, PREPARING
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.runs.settings import Experiment, Training, load_experiment
from alae_workbench.storage.directory import Run
from tests.conftest import TINY, content, tiny_config
from tests.helpers.runs import make_set_options

#: steps of a run; losses and a checkpoint are written at each
STEPS = 12
SETTINGS = {key: value for key, value in TINY.items() if key.startswith("networks")} | {
    "batch_size": 16,
    "training.steps": STEPS,
    "training.held_out": 100,
    "training.report_every": 1,
    "training.checkpoint_every": 1,
    "training.grid_every": 64,
}
#: files that a run rewrites or renames, by a part of their temporary names
TARGETS = ["config.yaml", "metrics.jsonl", "step-"]
#: pictures in the prepared folder, and pictures per shard
PICTURES, SHARD = 200, 10
#: kills of one run before it may finish
KILLS_PER_RUN = 8


class Author:
    """The backend that the checkpoints of `write_forever` name."""

    name = "nobody"

    def versions(self):
        return {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="total number of kills (default 300)")
    parser.add_argument(
        "--backend",
        nargs="*",
        default=[],
        help="backends of killed training runs; without any, every kill hits a rewrite",
    )
    parser.add_argument("--prepare", type=int, default=0, help="kill preparations instead, so many times")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.prepare:
        with tempfile.TemporaryDirectory() as directory:
            counted = kill_preparations(Path(directory), options.prepare, random.Random(options.seed))
        print("preparations, killed:", describe(counted))
        return
    moments, share = random.Random(options.seed), options.count // 3 if options.backend else options.count
    with tempfile.TemporaryDirectory() as directory:
        print(
            "kills of rewrites and renames, by the unfinished files left:",
            describe(kill_rewrites(Path(directory), share, moments)),
            flush=True,
        )
        for number, name in enumerate(options.backend):
            rest, among = options.count - share, len(options.backend)
            count = rest // among + (number < rest % among)
            # In its own process, because it imports a framework.
            child = fork(partial(report_killed_runs, Path(directory, name), name, count, moments))
            if os.waitpid(child, 0)[1]:
                sys.exit(f"{name}: a finding")


def report_killed_runs(directory, backend, count, moments):
    print(f"{backend}, at random moments:", describe(kill_runs(directory, backend, count, moments)), flush=True)


def fork(action):
    """Call `action` in a child process and exit there; returns the process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        action()
        status = 0
    except SystemExit as exit_:
        status = exit_.code
    except Exception:  # noqa: BLE001 - the child must exit here after any error
        traceback.print_exc()
    finally:
        os._exit(status)


def describe(counted):
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted.items()))


def kill_rewrites(directory, count, moments):
    """Kill `write_forever` while it writes, `count` times; returns the kills by the unfinished files left."""
    counted, run, before = Counter(), Run(directory / "written"), 0
    while counted.total() < count:
        stale = unfinished(run)
        child, target = fork(partial(write_forever, run)), moments.choice(TARGETS)
        # Let the child write for a while first; otherwise every kill would hit the first file of its kind.
        time.sleep(moments.uniform(0, 0.03))
        until = time.monotonic() + 0.5
        while not any(target in name for name in unfinished(run) - stale) and time.monotonic() < until:
            pass
        time.sleep(moments.choice([0, 0, 1e-5, 1e-4, 3e-4, 1e-3]))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert status == signal.SIGKILL, "the writer exited on its own"
        left = [target for target in TARGETS if any(target in name for name in unfinished(run) - stale)]
        counted[" and ".join(left) or "nothing"] += 1
        verify(run, before)
        before = newest(run)
        if moments.random() < 0.05:
            shutil.rmtree(run.path)
            before = 0
    return counted


def unfinished(run):
    """Return the names of unfinished files in a run."""
    names = [name for folder in (run.checkpoints, run.path) if folder.exists() for name in os.listdir(folder)]
    return {name for name in names if name.startswith(".writing-")}


def write_forever(run):
    """Write the files of an `alae train` that stops and resumes every three steps, forever, without training."""
    config = tiny_config()
    networks = {
        f"{of}/{name}/x": size for name, size in count_weights(config).items() for of in ("weights", "averages")
    }
    experiment = Experiment(config, Training(data="digits", steps=10**6))
    while True:
        with run.lock():
            resume = None if run.unstarted else load_checkpoint(run.path)
            run.begin(experiment.to_yaml(), resume)
            first = resume.step if resume else 0
            for step in range(first + 1, first + 4):
                with run.metrics.open("ab") as file:
                    file.write(json.dumps({"step": step, "losses": {"x": 1.0}}).encode() + b"\n")
                state = {name: np.full(size, step, np.float32) for name, size in networks.items()}
                state["step"] = np.asarray(step, np.int64)
                write_checkpoint(run.checkpoints, state, config, author=Author(), keep=3)


def kill_runs(directory, backend, count, moments):
    """Kill runs of `alae train` `count` times in all, finish each, and compare it with one that was never killed.

    Returns the number of kills before and after the first checkpoint.
    """
    directory.mkdir()
    os.environ["KERAS_BACKEND"] = backend
    # Imported once for all forked children.
    __import__(backend)
    __import__("keras")
    unkilled, counted = Run(directory / "unkilled"), Counter()
    train(unkilled)
    while counted.total() < count:
        # Measured for each run, because the load of the machine changes and caches fill.
        run, started = Run(directory / "run"), time.monotonic()
        train(run)
        took = time.monotonic() - started
        shutil.rmtree(run.path)
        for _ in range(KILLS_PER_RUN):
            if counted.total() == count or newest(run) == STEPS:
                break
            child = start(run)
            time.sleep(moments.uniform(0, took))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert status in (0, signal.SIGKILL), (directory / "output.txt").read_text()
            if status:
                verify(run)
                step = newest(run)
                counted["before the first checkpoint" if step == 0 else "after one"] += 1
        if newest(run) < STEPS:
            train(run)
        require_same(run, unkilled)
        shutil.rmtree(run.path)
        print(f"{backend}: {counted.total()} of {count} kills, a run takes {took:.1f} s", flush=True)
    return counted


def kill_preparations(directory, count, moments):
    """Kill preparations of one folder `count` times; returns the number of kills by stage."""
    files, out, whole, counted = directory / "files", directory / "set", directory / "whole", Counter()
    files.mkdir()
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).resize((256, 256)).save(files / f"{number}.png", compress_level=1)
    started = time.monotonic()
    assert os.waitpid(prepare(files, whole), 0)[1] == 0
    took, expected = time.monotonic() - started, content(whole)
    while counted.total() < count:
        child, finished = prepare(files, out), shards_done(out)
        if counted.total() % 3 == 2:
            while len(shards_done(out)) < PICTURES // SHARD and os.waitpid(child, os.WNOHANG) == (0, 0):
                pass
            time.sleep(moments.uniform(0, 0.02))
        else:
            time.sleep(moments.uniform(0, took))
        try:
            os.killpg(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            status = 0
        assert status in (0, signal.SIGKILL)
        done = shards_done(out)
        assert all(file.stat().st_mtime_ns == written for file, written in finished.items() if file.exists()), (
            "a shard was rewritten"
        )
        if status == 0 or (out / MANIFEST).exists():
            assert content(out) == expected
            shutil.rmtree(out)
        elif not done:
            counted["before the first shard"] += 1
        else:
            counted["between shards" if len(done) < PICTURES // SHARD else "after the last shard"] += 1
    if out.exists():
        assert os.waitpid(prepare(files, out), 0)[1] == 0
        assert content(out) == expected
    return counted


def prepare(files, out):
    """Prepare a set, or resume it, in a new process group; returns the group's id."""

    def action():
        os.setsid()
        with patch.object(set_format, "_SHARD_BYTES", SHARD * 256 * 256 * 3):
            write_set(plan_preparation(str(files), out), workers=2)

    return fork(action)


def shards_done(out):
    """Return the modification times of the records of finished shards, by file."""
    return {file: file.stat().st_mtime_ns for file in out.glob(f"{PREPARING}/images-*.json")}


def train(run):
    """Train or resume a run to its end."""
    _, status = os.waitpid(start(run), 0)
    assert status == 0, (run.path.parent / "output.txt").read_text()


def start(run):
    """Start or resume a run in a child process; returns its process id."""
    option = "--resume" if run.config.exists() else "--out"
    settings = make_set_options(SETTINGS)

    def action():
        os.chdir(run.path.parent)
        output = os.open("output.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["alae", "train", option, run.path.name, *settings]
        app.main()

    return fork(action)


def newest(run):
    """Return the step of the newest checkpoint, or 0 if there is none."""
    return max((int(path.name.removeprefix("step-")) for path in checkpoints(run.checkpoints)), default=0)


def verify(run, before=0):
    """Fail if a kill lost saved files of a run; `before` is the step of its newest checkpoint before the kill."""
    if run.config.exists():
        load_experiment(run.config)
    step = newest(run)
    assert step >= before, f"the newest checkpoint of {run.path} was step {before} and is now {step}"
    if step == 0:
        assert run.path.exists() is False or run.unstarted
        return
    assert run.config.exists()
    for path in checkpoints(run.checkpoints):
        load_checkpoint(path)
    assert reported_steps(run, step) == list(range(1, step + 1)), f"{run.metrics} lacks a record"


def reported_steps(run, step):
    """Return the steps with recorded losses, up to `step`."""
    steps = []
    for line in run.metrics.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            assert not run.metrics.read_bytes().endswith(line + b"\n"), (
                f"{run.metrics} has an incomplete line before its end"
            )
            continue
        if "losses" in record and record["step"] <= step:
            steps.append(record["step"])
    return steps


def require_same(run, unkilled):
    """Fail if a run that was killed differs from one that was not."""
    for path, other in zip(checkpoints(run.checkpoints), checkpoints(unkilled.checkpoints), strict=True):
        first, second = load_checkpoint(path), load_checkpoint(other)
        assert first.step == second.step
        assert first.state.keys() == second.state.keys()
        for name, array in first.state.items():
            assert array.tobytes() == second.state[name].tobytes(), f"{run.path}: {name} differs at step {first.step}"
    assert run.config.read_bytes() == unkilled.config.read_bytes()
    records = [[json.loads(line) for line in one.metrics.read_bytes().splitlines()] for one in (run, unkilled)]
    for record in (*records[0], *records[1]):
        record.pop("images_per_second", None)
    assert records[0] == records[1], f"{run.metrics} differs from that of a run that was not killed"


if __name__ == "__main__":
    main()
