"""Runs that are killed: `python -m tests.fuzz.kills --count 300 --backend torch jax`; and preparations: `--prepare 20`.

A third of the kills are aimed at rewrites and renames. Those need no framework, so a forked child does again and again
what a run does around its steps, and is killed moments after the name of an unfinished file appears. The others hit
`alae train` at random moments of starting, training and going on.

After every kill the configuration is whole, the metrics are complete up to the newest checkpoint, which is not lost and
verifies; a run killed a few times goes on to its end, and is bit-identical to the run that never was.

`alae data prepare` is killed at random moments, every third time while it writes what belongs to all shards. What goes
on from there keeps the shards that were done, and is byte-identical to a set whose preparation nothing disturbed.
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
from alae_core.checkpoint import checkpoints, write_checkpoint
from alae_core.sizes import weights
from alae_workbench.data.prepared import set_format
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.set_format import MANIFEST, PREPARING
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.runs.settings import Experiment, Training, load_experiment
from alae_workbench.storage.directory import Run
from tests.conftest import TINY, content, tiny_config

#: steps of a run, of which every one is reported and saved
STEPS = 12
SETTINGS = {key: value for key, value in TINY.items() if key.startswith("networks")} | {
    "batch_size": 16,
    "training.steps": STEPS,
    "training.held_out": 100,
    "training.report_every": 1,
    "training.checkpoint_every": 1,
    "training.grid_every": 64,
}
#: what is rewritten and renamed, by what its unfinished name holds
TARGETS = ["config.yaml", "metrics.jsonl", "step-"]
#: how many images are prepared, and how many of them make a shard
PICTURES, A_SHARD = 200, 10
#: how often one run is killed before it may go on to its end
KILLS_A_RUN = 8


class Author:
    """Who wrote the checkpoints of `writer`."""

    name = "nobody"

    def versions(self):
        return {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="kills in all")
    parser.add_argument("--backend", nargs="*", default=[], help="without one, every kill is aimed at rewriting")
    parser.add_argument("--prepare", type=int, default=0, help="kill only so many preparations")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.prepare:
        with tempfile.TemporaryDirectory() as directory:
            counted = preparations(Path(directory), options.prepare, random.Random(options.seed))
        print("preparations, killed", describe(counted))
        return
    moments, share = random.Random(options.seed), options.count // 3 if options.backend else options.count
    with tempfile.TemporaryDirectory() as directory:
        print(
            "aimed at rewrites and renames, left unfinished:",
            describe(aimed(Path(directory), share, moments)),
            flush=True,
        )
        for number, name in enumerate(options.backend):
            rest, among = options.count - share, len(options.backend)
            count = rest // among + (number < rest % among)
            # A process of its own, for it imports a framework.
            child = fork(partial(say_killed, Path(directory, name), name, count, moments))
            if os.waitpid(child, 0)[1]:
                sys.exit(f"{name}: a finding")


def say_killed(directory, backend, count, moments):
    print(f"{backend}, at random moments:", describe(killed(directory, backend, count, moments)), flush=True)


def fork(action):
    """Do something in a child, of which nothing of the parent's runs on; returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        action()
        status = 0
    except SystemExit as exit_:
        status = exit_.code
    except Exception:  # noqa: BLE001 - the child ends here, whatever it was
        traceback.print_exc()
    finally:
        os._exit(status)


def describe(counted):
    return ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))


def aimed(directory, count, moments):
    """Kill `writer` that often, just as it writes; returns how many kills left what unfinished."""
    counted, run, before = Counter(), Run(directory / "written"), 0
    while counted.total() < count:
        stale = unfinished(run)
        child, target = fork(partial(writer, run)), moments.choice(TARGETS)
        # First some writing that is not looked at, or every kill would hit the first of its kind.
        time.sleep(moments.uniform(0, 0.03))
        until = time.monotonic() + 0.5
        while not any(target in name for name in unfinished(run) - stale) and time.monotonic() < until:
            pass
        time.sleep(moments.choice([0, 0, 1e-5, 1e-4, 3e-4, 1e-3]))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert status == signal.SIGKILL, "the writer ended by itself"
        left = [target for target in TARGETS if any(target in name for name in unfinished(run) - stale)]
        counted[" and ".join(left) or "nothing"] += 1
        verify(run, before)
        before = newest(run)
        if moments.random() < 0.05:
            shutil.rmtree(run.path)
            before = 0
    return counted


def unfinished(run):
    """The names of what is half written in a run."""
    names = [name for each in (run.checkpoints, run.path) if each.exists() for name in os.listdir(each)]
    return {name for name in names if name.startswith(".writing-")}


def writer(run):
    """Go on with a run for ever, as `alae train` would that is stopped after every few steps, without the steps."""
    config = tiny_config()
    networks = {f"{of}/{name}/x": size for name, size in weights(config).items() for of in ("weights", "averages")}
    experiment = Experiment(config, Training(data="digits", steps=10**6))
    while True:
        with run.held():
            resume = None if run.unstarted else load_checkpoint(run.path)
            run.begin(experiment.to_yaml(), resume)
            first = resume.step if resume else 0
            for step in range(first + 1, first + 4):
                with run.metrics.open("ab") as file:
                    file.write(json.dumps({"step": step, "losses": {"x": 1.0}}).encode() + b"\n")
                state = {name: np.full(size, step, np.float32) for name, size in networks.items()}
                state["step"] = np.asarray(step, np.int64)
                write_checkpoint(run.checkpoints, state, config, author=Author(), keep=3)


def killed(directory, backend, count, moments):
    """Kill runs of `alae train` that often; each goes on to its end, which the run never killed has too."""
    directory.mkdir()
    os.environ["KERAS_BACKEND"] = backend
    # Imported once, for all children; what computes starts in each.
    __import__(backend)
    __import__("keras")
    straight, counted = Run(directory / "straight"), Counter()
    train(straight)
    while counted.total() < count:
        # Measured again for each run: what else the machine does changes, and the caches fill.
        run, started = Run(directory / "run"), time.monotonic()
        train(run)
        took = time.monotonic() - started
        shutil.rmtree(run.path)
        for _ in range(KILLS_A_RUN):
            if counted.total() == count or newest(run) == STEPS:
                break
            child = start(run)
            time.sleep(moments.uniform(0, took))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert status in (0, signal.SIGKILL), (directory / "said").read_text()
            if status:
                verify(run)
                step = newest(run)
                counted["before the first checkpoint" if step == 0 else "after one"] += 1
        if newest(run) < STEPS:
            train(run)
        same(run, straight)
        shutil.rmtree(run.path)
        print(f"{backend}: {counted.total()} of {count} kills, a run takes {took:.1f} s", flush=True)
    return counted


def preparations(directory, count, moments):
    """Kill preparations of one folder that often; returns how many were killed at which stage."""
    files, out, whole, counted = directory / "files", directory / "set", directory / "whole", Counter()
    files.mkdir()
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).resize((256, 256)).save(files / f"{number}.png", compress_level=1)
    started = time.monotonic()
    assert os.waitpid(prepare(files, whole), 0)[1] == 0
    took, expected = time.monotonic() - started, content(whole)
    while counted.total() < count:
        child, kept = prepare(files, out), shards_done(out)
        if counted.total() % 3 == 2:
            while len(shards_done(out)) < PICTURES // A_SHARD and os.waitpid(child, os.WNOHANG) == (0, 0):
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
        assert all(file.stat().st_mtime_ns == when for file, when in kept.items() if file.exists()), "written again"
        if status == 0 or (out / MANIFEST).exists():
            assert content(out) == expected
            shutil.rmtree(out)
        elif not done:
            counted["before the first shard"] += 1
        else:
            counted["between shards" if len(done) < PICTURES // A_SHARD else "after the last shard"] += 1
    if out.exists():
        assert os.waitpid(prepare(files, out), 0)[1] == 0
        assert content(out) == expected
    return counted


def prepare(files, out):
    """Prepare a set, or go on, in a group of processes of its own; returns the group's id."""

    def action():
        os.setsid()
        with patch.object(set_format, "_SHARD_BYTES", A_SHARD * 256 * 256 * 3):
            write_set(plan_preparation(str(files), out), workers=2)

    return fork(action)


def shards_done(out):
    """The notes of shards that are done, and when each was written."""
    return {file: file.stat().st_mtime_ns for file in out.glob(f"{PREPARING}/images-*.json")}


def train(run):
    """Train, or go on, to the end."""
    _, status = os.waitpid(start(run), 0)
    assert status == 0, (run.path.parent / "said").read_text()


def start(run):
    """Begin or go on with a run in a process of its own; returns its process id."""
    how = "--resume" if run.config.exists() else "--out"
    settings = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={json.dumps(value)}")]

    def action():
        os.chdir(run.path.parent)
        said = os.open("said", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.argv = ["alae", "train", how, run.path.name, *settings]
        app.main()

    return fork(action)


def newest(run):
    """The last step that is saved; 0 before the first."""
    return max((int(path.name.removeprefix("step-")) for path in checkpoints(run.checkpoints)), default=0)


def verify(run, before=0):
    """Fail where a kill cost a run anything that it had saved."""
    if run.config.exists():
        load_experiment(run.config)
    step = newest(run)
    assert step >= before, f"{run.path} was at step {before}, and is at {step}"
    if step == 0:
        assert run.path.exists() is False or run.unstarted
        return
    assert run.config.exists()
    for path in checkpoints(run.checkpoints):
        load_checkpoint(path)
    assert reported(run, step) == list(range(1, step + 1)), f"{run.metrics} lacks something"


def reported(run, step):
    """The steps up to one whose losses are recorded."""
    found = []
    for line in run.metrics.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            assert not run.metrics.read_bytes().endswith(line + b"\n"), f"{run.metrics} is torn before its end"
            continue
        if "losses" in record and record["step"] <= step:
            found.append(record["step"])
    return found


def same(run, straight):
    """Fail where a run that was killed differs from the one that never was."""
    for path, other in zip(checkpoints(run.checkpoints), checkpoints(straight.checkpoints), strict=True):
        first, second = load_checkpoint(path), load_checkpoint(other)
        assert first.step == second.step
        assert first.state.keys() == second.state.keys()
        for name, array in first.state.items():
            assert array.tobytes() == second.state[name].tobytes(), f"{run.path}: {name} differs at step {first.step}"
    assert run.config.read_bytes() == straight.config.read_bytes()
    records = [[json.loads(line) for line in each.metrics.read_bytes().splitlines()] for each in (run, straight)]
    for record in (*records[0], *records[1]):
        record.pop("images_per_second", None)
    assert records[0] == records[1], f"{run.metrics} differs from the one of a run never killed"


if __name__ == "__main__":
    main()
