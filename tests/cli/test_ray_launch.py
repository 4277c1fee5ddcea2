"""`alae train --launcher ray`: refusals, and runs on a cluster of this machine: equal, stopped by signals, killed."""

import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.conftest import describe_case
from tests.cli.test_processes import TRAIN, assert_equal, state_of
from tests.helpers.processes import end, start, wait_for_end, wait_for_steps

HAS_RAY = find_spec("ray") is not None
#: marks of tests that start a cluster
CLUSTER = [
    pytest.mark.framework,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
    pytest.mark.skipif(not HAS_RAY, reason="the extra [ray] is not installed"),
]
RAY = ["--launcher", "ray", "--devices", "2"]
ENDLESS = ["--steps", "1000000", "--out", "run", "--resume", "auto"]

MISTAKES = [
    (["--launcher", "ray"], "--launcher ray starts a process per device: add --devices N, or --devices all"),
    ([*RAY, "--backend", "jax", "--preset", "digits-mpl"], "there is no preset 'digits-mpl'"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_is_refused_before_ray_starts(assert_refused, words, message):
    assert_refused(["train", *words], message)


@pytest.mark.skipif(HAS_RAY, reason="the extra [ray] is installed")
def test_a_missing_package_is_named(assert_refused):
    words = ["train", "--launcher", "ray", "--devices", "2", "--backend", "jax"]
    assert_refused(words, "--launcher ray needs ray, which is not installed: pip install 'alae[ray]'")


@pytest.fixture
def start_run(tmp_path, monkeypatch):
    """Start `alae train` on two devices of a new cluster of this machine."""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    # By default Ray's processes get only the time that others leave.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    return lambda *words: start(tmp_path, *TRAIN, *RAY, *words)


def find_processes(directory):
    """The process numbers of a run's processes, by rank."""
    found = {}
    for path in Path("/proc").iterdir():
        try:
            if b"alae_cli.ray_process" in (path / "cmdline").read_bytes() and (path / "cwd").resolve() == directory:
                environment = dict(row.partition(b"=")[::2] for row in (path / "environ").read_bytes().split(b"\0"))
                found[int(environment[b"RANK"])] = int(path.name)
        except OSError:
            continue
    return found


class TestOnACluster:
    pytestmark = CLUSTER

    @pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
    def test_two_devices_train_as_one(self, tmp_path, start_run, backend):
        words = ["--backend", backend, "--steps", 10]
        code, _, err = end(start(tmp_path, *TRAIN, *words, "--out", "one"))
        assert code == 0, err
        code, out, err = end(start_run(*words, "--out", "two"))
        assert code == 0, err
        assert "2 devices" in out + err, "what the processes print is printed"
        assert_equal(tmp_path / "one", tmp_path / "two")

    @pytest.mark.parametrize(
        ("backend", "number", "code"),
        [
            ("torch", signal.SIGTERM, 143),
            ("torch", signal.SIGINT, 130),
            ("jax", signal.SIGTERM, 143),
            ("tensorflow", signal.SIGTERM, 143),
        ],
    )
    def test_a_signal_saves_once_and_the_same_command_continues(self, tmp_path, start_run, backend, number, code):
        words = ["--backend", backend, "--out", "run", "--resume", "auto"]
        process = start_run(*words, "--steps", 1000000)
        wait_for_steps(tmp_path / "run", [process])
        pids = find_processes(tmp_path).values()
        process.send_signal(number)
        found, _, err = end(process)
        assert found == code, err
        assert err.count("saved step") == 1, err
        wait_for_end(pids)
        step = int(state_of(tmp_path / "run")["step"])
        assert end(start_run(*words, "--steps", step + 5))[0] == 0
        assert state_of(tmp_path / "run")["step"] == step + 5

    @pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
    def test_a_killed_process_ends_the_others_with_a_line_that_names_it(self, tmp_path, start_run, backend):
        process = start_run("--backend", backend, *ENDLESS)
        wait_for_steps(tmp_path / "run", [process])
        pids = find_processes(tmp_path)
        began = time.monotonic()
        os.kill(pids[1], signal.SIGKILL)
        code, _, err = end(process)
        assert code == 5, err
        assert f"process 1 of 2 (pid {pids[1]}) was killed by SIGKILL, so the others were ended; resume with" in err
        assert time.monotonic() - began < 60
        wait_for_end(pids.values())
