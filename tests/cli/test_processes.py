"""`alae train` in several processes: equal to one process, resumed, stopped by signals, and killed."""

import os
import signal
import sys
import time

import numpy as np
import pytest

import alae_core as alae
from alae_core.spread import describe_processes
from tests.helpers.processes import end, find_children, start, wait_for_end, wait_for_steps
from tests.helpers.runs import SMALL_RUN, make_set_options

pytestmark = [
    pytest.mark.framework,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds child processes in /proc"),
]
TRAIN = ["train", "--preset", "digits-mlp", *make_set_options(SMALL_RUN | {"precision": "float64"}), "--device", "cpu"]
#: backends with a process for each device, which `--devices` starts
LAUNCHED = ["torch", "tensorflow"]
#: as many steps as no test waits for
ENDLESS = ["--steps", "1000000", "--log", "json"]


def run(directory, *words):
    code, _, err = end(start(directory, *words))
    assert code == 0, err


def start_pair(directory, backend, *words):
    """Start two processes as torchrun or srun do, without a launcher that watches them."""
    return [start(directory, *TRAIN, "--backend", backend, *words, **variables) for variables in describe_processes(2)]


def state_of(run):
    return alae.load_checkpoint(run).state


def assert_equal(one, other):
    for name, array in state_of(one).items():
        np.testing.assert_allclose(state_of(other)[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
def test_two_devices_train_and_resume_as_one(tmp_path, backend):
    words = [*TRAIN, "--backend", backend]
    run(tmp_path, *words, "--steps", 10, "--out", "one")
    run(tmp_path, *words, "--steps", 10, "--out", "two", "--devices", 2)
    assert_equal(tmp_path / "one", tmp_path / "two")
    assert len((tmp_path / "two" / "metrics.jsonl").read_text().splitlines()) == len(
        (tmp_path / "one" / "metrics.jsonl").read_text().splitlines()
    )
    # From one device to two, and from two to one.
    run(tmp_path, "train", "--resume", "one", "--steps", 15, "--backend", backend, "--device", "cpu", "--devices", 2)
    run(tmp_path, "train", "--resume", "two", "--steps", 15, "--backend", backend, "--device", "cpu")
    assert_equal(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
def test_two_processes_join_and_sigterm_to_one_saves_once_and_ends_both(tmp_path, backend):
    words = ["--out", "run", "--resume", "auto", "--log", "json"]
    pair = start_pair(tmp_path, backend, *words, "--steps", "1000000")
    wait_for_steps(tmp_path / "run", pair)
    pair[1].send_signal(signal.SIGTERM)
    found = [end(process) for process in pair]
    assert [code for code, _, _ in found] == [143, 143], found
    assert "saved step" in found[0][2]
    step = int(state_of(tmp_path / "run")["step"])
    assert step > 0
    # As a scheduler repeats the command.
    pair = start_pair(tmp_path, backend, *words, "--steps", step + 5)
    assert [end(process)[0] for process in pair] == [0, 0]
    assert state_of(tmp_path / "run")["step"] == step + 5


@pytest.mark.parametrize("backend", LAUNCHED)
def test_a_process_that_is_killed_ends_the_others_with_a_line_that_names_it(tmp_path, backend):
    process = start(tmp_path, *TRAIN, "--backend", backend, "--devices", 2, "--out", "run", *ENDLESS)
    wait_for_steps(tmp_path / "run", [process])
    children = find_children(process.pid)
    # Before them, `multiprocessing` has started a process of its own.
    killed = children[-1]
    began = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    code, _, err = end(process)
    assert code == 5, err
    assert f"process 1 of 2 (pid {killed}) was killed by SIGKILL, so the others were ended; resume with" in err
    assert time.monotonic() - began < 60
    wait_for_end(children)


@pytest.mark.parametrize("backend", LAUNCHED)
def test_sigterm_to_the_launcher_saves_once(tmp_path, backend):
    process = start(tmp_path, *TRAIN, "--backend", backend, "--devices", 2, "--out", "run", *ENDLESS)
    wait_for_steps(tmp_path / "run", [process])
    process.send_signal(signal.SIGTERM)
    code, _, err = end(process)
    assert code == 143, err
    assert err.count("saved step") == 1
    assert state_of(tmp_path / "run")["step"] > 0


@pytest.mark.parametrize("backend", LAUNCHED)
def test_processes_end_if_their_launcher_is_killed(tmp_path, backend):
    process = start(tmp_path, *TRAIN, "--backend", backend, "--devices", 2, "--out", "run", *ENDLESS)
    wait_for_steps(tmp_path / "run", [process])
    children = find_children(process.pid)
    process.kill()
    end(process)
    wait_for_end(children)


@pytest.mark.parametrize("backend", LAUNCHED)
def test_a_mistake_that_a_process_finds_ends_all_with_its_code(tmp_path, backend):
    code, _, err = end(start(tmp_path, *TRAIN, "--backend", backend, "--devices", 2, "--data", "absent"))
    assert code == 2
    assert "alae: there is no data 'absent'" in err
    assert "Traceback" not in err
