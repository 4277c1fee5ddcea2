"""Two devices train as one does: equal losses and equal movement of every weight, over 20 steps, growth included."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.devices import CASES, make_address

FAULTS = {
    "no-division": "mlp",
    "one-update-not-reduced": "mlp",
    "another-order-on-one-device": "mlp-pairs",
    "mean-of-w-not-reduced": "style",
    "p-not-reduced": "style",
    "noise-repeats": "style",
    "deviation-over-half-a-batch": "style-images",
}
#: losses, relative; movement of an array, by norm relative to how far it moved. Arrays with a gradient of zero, such as
#: the biases before the first instance norm, move by rounding alone, so LITTLE is added to how far each moved
LOSSES, MOVEMENT, LITTLE = 1e-5, 1e-4, 1e-3


def train(folder, backend, processes, cases):
    environment = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    address = make_address(processes)
    command = [sys.executable, "-m", "tests.helpers.devices", backend, str(folder), *cases]
    started = [
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment | ({} if processes == 1 else address | {"RANK": str(rank), "LOCAL_RANK": str(rank)}),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    errors = [process.communicate(timeout=600)[1] for process in started]
    assert [process.returncode for process in started] == [0] * processes, errors


def differences(folder, kind, other):
    """The largest difference of losses, and of the movement of an array of the state."""
    one, two = (np.load(folder / f"{kind}{suffix}.npz") for suffix in ("", f"-{other}"))
    losses = np.max(np.abs(two["losses"] - one["losses"]) / np.abs(one["losses"]))
    movement = 0.0
    for name in one:
        if name.startswith("after/"):
            moved = np.linalg.norm(one[name] - one[name.replace("after", "before", 1)])
            difference = np.linalg.norm(np.asarray(two[name]) - one[name])
            movement = max(movement, difference / (moved + LITTLE))
    return float(losses), float(movement)


@pytest.fixture(scope="module")
def on_torch(tmp_path_factory):
    """All cases and faults of PyTorch, in one pair of processes."""
    folder = tmp_path_factory.mktemp("torch")
    train(folder, "torch", 2, [*CASES, *(f"{case}:{fault}" for fault, case in FAULTS.items())])
    return folder


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory):
    """All cases on two devices of one process."""
    folder = tmp_path_factory.mktemp("jax")
    train(folder, "jax", 1, CASES)
    return folder


def assert_equal(folder, case):
    losses, movement = differences(folder, case, "2")
    print(f"{case}: losses differ by {losses:.1e}, movement by {movement:.1e}")
    assert losses <= LOSSES
    assert movement <= MOVEMENT


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_of_pytorch_train_as_one(on_torch, case):
    assert_equal(on_torch, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_devices_of_jax_train_as_one(on_jax, case):
    assert_equal(on_jax, case)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "case"), FAULTS.items())
def test_faults_are_seen(on_torch, fault, case):
    losses, movement = differences(on_torch, case, fault)
    assert losses > 10 * LOSSES or movement > 10 * MOVEMENT


@pytest.mark.slow
def test_two_processes_of_jax_train_as_one(tmp_path):
    train(tmp_path, "jax", 2, ["style"])
    assert_equal(tmp_path, "style")
