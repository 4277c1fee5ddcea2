"""Signal tests: stop `alae train` by SIGINT or SIGTERM at random moments, and list the results.

    python -m tests.fuzz.signals --count 50 --backend jax torch tensorflow
    python -m tests.fuzz.signals --count 10 --backend jax --first-process

Every run is a small style run of 50 steps, with an empty cache of compiled programs. It must end within 10 seconds with
exit code 130 or 143 and one line on standard error, besides the log of TensorFlow. If a step was taken, a valid
checkpoint of the last step must exist. A signal arrives shortly after a random event. A signal that arrives before
Python runs the first line of the command has Python's usual effect; it is listed as "Python starts". With
`--first-process`, each run is the first process of a PID namespace, as in a container.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from alae_core import AlaeError, load_checkpoint
from alae_core.checkpoint_files import checkpoints
from alae_workbench.storage.directory import Run
from tests.fuzz.kills import reported_steps
from tests.helpers.runs import make_set_options

#: maximum seconds from the signal to the end of the process
MOST_SECONDS = 10
SETTINGS = {
    "networks.startf": 4,
    "networks.maxf": 8,
    "networks.mapping_layers": 2,
    "growth.levels": [{"images": 640, "batch_size": 32}, {"images": 960, "batch_size": 32, "fade": 0.5}],
    "training.report_every": 1,
    "training.checkpoint_every": 5,
    "training.grid_every": 320,
}
#: events after which a signal may arrive: the start, a text that the run prints, or a file that it writes. The last two
#: exist only while a grid or a checkpoint is written
TEXTS = ["losses: ", "compiling 8", "measuring", "after 50 steps"]
WRITING = ["run/grids/.writing-*", "run/checkpoints/.writing-*"]
FILES = ["stack", "run/config.yaml", "run/checkpoints/step-00000005", "run/checkpoints/step-00000025", *WRITING]
EVENTS = ["start", *TEXTS, *FILES]
#: maximum seconds from an event to the signal
MOST_DELAYS = [0.1, 1, 10]
#: a line of TensorFlow's log, which it writes before it reads TF_CPP_MIN_LOG_LEVEL
LOG = re.compile(r"WARNING: All log messages|[IWE]0000 |[IWE]\d{4} ")
#: moments by the functions that threads were in; the first that matches counts. Only compilers call functions so
#: deeply that the list is cut
MOMENTS = {
    "compiling": r"in _compile_and_step$|^  \.\.\.$",
    "exit": r'\b(_exit|_shutdown)$|\A.+(?![\s\S]*File "<string>")',
    "Python starts": r"(?s)\A(?!.*alae_cli.* in main$)",
    "checkpoint": r"loop\.py.* in _save$",
    "grid": r"in _save_grid$",
    "reports": r"in (_report|_measure)$",
    "steps": r"in _take_steps$",
    "evaluation": r"in take_due$",
    "beginning": r"loop\.py.* in _train$",
    "building the model": r"loop\.py.* in __init__$",
    "starting the backend": r"in load_backend$",
    "reading images": r"in read$",
    "planning": r"in plan$",
    "importing": "alae_cli",
}
#: SIGUSR1 writes the stacks of all threads to the file `stack`, even while the main thread is in native code
SCRIPT = """
import faulthandler, os, signal
faulthandler.register(signal.SIGUSR1, open("unregistered", "w"), all_threads=True)
os.rename("unregistered", "stack")
from alae_cli import main
main()
"""


@dataclass(frozen=True)
class Trial:
    """The result of one signal: its moment, exit code, seconds to the end, saved step, and problems."""

    moment: str
    code: int
    seconds: float
    left: str
    problems: list[str]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50, help="signals per backend (default 50)")
    parser.add_argument("--backend", nargs="*", default=["jax", "torch", "tensorflow"])
    parser.add_argument("--first-process", action="store_true", help="run in new PID namespaces, which needs root")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # A shell lets background jobs ignore SIGINT, and their children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chance, moments, problems = random.Random(options.seed), Counter(), 0
    print(
        "| moment | backend | signal | exit code | seconds | left |\n| --- | --- | --- | --- | --- | --- |", flush=True
    )
    for backend in options.backend:
        done = 0
        while done < options.count:
            number = chance.choice([signal.SIGINT, signal.SIGTERM])
            trial = stop_run(backend, number, chance, options.first_process)
            if trial is None:
                continue
            done += 1
            moments[trial.moment] += 1
            problems += len(trial.problems)
            cells = [trial.moment, backend, number.name, trial.code, f"{trial.seconds:.1f}", trial.left]
            print("|", " | ".join(map(str, cells)), "|", *trial.problems, flush=True)
    print(", ".join(f"{moment} {count}" for moment, count in moments.most_common()))
    sys.exit(f"{problems} problems" if problems else 0)


def stop_run(backend, number, chance, first_process):
    """Start a run and stop it by a signal; returns the `Trial`, or None if the run ended before it."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        process = start(directory, backend, first_process)
        event = chance.choice(EVENTS)
        while not has_happened(directory, event) and process.poll() is None:
            time.sleep(0.002 if event in WRITING else 0.01)
        time.sleep(0 if event in WRITING else chance.uniform(0, chance.choice(MOST_DELAYS)))
        target = find_child(process) if first_process else process.pid
        if target is None or process.poll() is not None:
            return None
        if Path(directory, "stack").exists():
            os.kill(target, signal.SIGUSR1)
            time.sleep(0 if event in WRITING else 0.05)
        began = time.monotonic()
        os.kill(target, number)
        try:
            code = process.wait(60)
        except subprocess.TimeoutExpired:
            os.kill(target, signal.SIGKILL)
            code = process.wait()
        seconds = time.monotonic() - began
        stack = Path(directory, "stack").read_text("utf-8") if Path(directory, "stack").exists() else ""
        # Python itself crashes in about one of a thousand such dumps, if a thread calls a function meanwhile.
        if code == -signal.SIGSEGV and stack and not stack.endswith("in <module>\n"):
            return None
        return judge(directory, stack, number, code, seconds)


def start(directory, backend, first_process):
    """Start a run in a directory, which gets its output in the files `out` and `err`."""
    settings = make_set_options(SETTINGS)
    command = [sys.executable, "-c", SCRIPT, "train", "--preset", "digits-style", "--out", "run", *settings]
    if first_process:
        command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *command]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_COMPILATION_CACHE_DIR": str(directory / "cache"),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    with Path(directory, "out").open("wb") as out, Path(directory, "err").open("wb") as err:
        return subprocess.Popen(command, cwd=directory, env=environment, stdout=out, stderr=err)


def has_happened(directory, event):
    """Whether a run in a directory has reached an event."""
    if event in FILES:
        return any(directory.glob(event))
    return event == "start" or event in Path(directory, "out").read_text("utf-8")


def find_child(process):
    """Return the process id of the only child of `unshare`, or None if it has not started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    found = children.read_text("ascii").split() if children.exists() else []
    return int(found[0]) if found else None


def judge(directory, stack, number, code, seconds):
    """Return the `Trial` of a run that a signal ended, given the stacks at that moment."""
    lines = [line for line in Path(directory, "err").read_text("utf-8").splitlines() if not LOG.match(line)]
    moment = next(name for name, pattern in MOMENTS.items() if re.search(pattern, stack, re.MULTILINE))
    run, problems = Run(directory / "run"), []
    taken = max(reported_steps(run, 50), default=0) if run.metrics.exists() else 0
    saved = checkpoints(run.checkpoints) if run.checkpoints.exists() else []
    left = f"step {taken}, not saved" if taken else "no step, nothing to save"
    if saved:
        try:
            left = f"step {load_checkpoint(saved[-1]).step} saved"
        except AlaeError as error:
            problems.append(str(error))
    if code != 128 + number and moment != "Python starts":
        problems.append(f"exit code {code}")
    if seconds > MOST_SECONDS:
        problems.append(f"{seconds:.0f} s")
    if len(lines) != 1 and moment != "Python starts":
        problems.append(f"{len(lines)} lines: {lines[-3:]}")
    if taken and (not saved or load_checkpoint(saved[-1]).step < taken):
        problems.append(f"step {taken} was taken")
    return Trial(moment, code, seconds, left, problems)


if __name__ == "__main__":
    main()
