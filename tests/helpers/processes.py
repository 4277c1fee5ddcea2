"""`alae` in processes of its own: start, wait, and look at their children."""

import os
import subprocess
import sys
import time
from pathlib import Path


def start_python(directory, *words, **environment):
    """Start Python with these arguments, from a directory."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=directory,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(directory, *words, **environment):
    """Start `alae` with these arguments, from a directory."""
    return start_python(directory, "-m", "alae_cli", *words, **environment)


def end(process):
    """Wait until a process has ended; returns (exit code, stdout, stderr)."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for(path, processes=(), seconds=60):
    """Wait until a file exists, while all of these processes run."""
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, path
        assert all(process.poll() is None for process in processes), [end(process) for process in processes]
        time.sleep(0.1)


def wait_for_steps(run, processes):
    """Wait until a run has recorded losses."""
    wait_for(run / "metrics.jsonl", processes, 300)


def find_children(pid):
    """The processes that a process has started, in order."""
    found = [Path(path, "children").read_text().split() for path in Path(f"/proc/{pid}/task").glob("*")]
    return sorted(int(child) for each in found for child in each)


def is_running(pid):
    """Whether a process exists, and is more than an entry in the table of processes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(pids, seconds=60):
    """Wait until none of these processes is running; a process that has saved its state ends soon, but not at once."""
    until = time.monotonic() + seconds
    while any(map(is_running, pids)):
        assert time.monotonic() < until, pids
        time.sleep(0.2)
