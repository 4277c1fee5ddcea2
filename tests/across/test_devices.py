"""Two devices compute as one does: 20 training steps in float64, and batches of inference.

Training must give equal losses and equal movement of every weight. The lane devices of the conformance suite judges
ALAE's perceptrons, conv networks and growth in float32, and faults; these are other algorithms and objectives, adaptive
augmentation that meets growth, and two processes of JAX.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from alae_core.spread import describe_processes
from tests.conftest import REPOSITORY
from tests.helpers.devices import CASES
from tests.helpers.python import run_python

#: losses, relative; movement of an array, by norm relative to how far it moved. Arrays with a gradient of zero, such as
#: the biases before the first instance norm, move by rounding alone, so LITTLE is added to how far each moved
LOSSES, MOVEMENT, LITTLE = 1e-5, 1e-4, 1e-3


def train(folder, backend, processes, cases):
    environment = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.helpers.devices", backend, str(folder), *cases]
    started = [
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment | variables,
            stderr=subprocess.PIPE,
            text=True,
        )
        for variables in describe_processes(processes)
    ]
    errors = [process.communicate(timeout=600)[1] for process in started]
    assert [process.returncode for process in started] == [0] * processes, errors


def differences(folder, case):
    """The largest difference of losses, and of the movement of an array of the state."""
    one, two = (np.load(folder / f"{case}{suffix}.npz") for suffix in ("", "-2"))
    losses = np.max(np.abs(two["losses"] - one["losses"]) / np.abs(one["losses"]))
    movement = 0.0
    for name in one:
        if name.startswith("after/"):
            moved = np.linalg.norm(one[name] - one[name.replace("after", "before", 1)])
            difference = np.linalg.norm(np.asarray(two[name]) - one[name])
            movement = max(movement, difference / (moved + LITTLE))
    return float(losses), float(movement)


@pytest.fixture(scope="module")
def on_two(tmp_path_factory, request):
    """All cases on two devices of a backend: of two processes, or of one of JAX."""
    backend = request.param
    folder = tmp_path_factory.mktemp(backend)
    train(folder, backend, 1 if backend == "jax" else 2, CASES)
    return folder


def assert_equal(folder, case):
    losses, movement = differences(folder, case)
    print(f"{case}: losses differ by {losses:.1e}, movement by {movement:.1e}")
    assert losses <= LOSSES
    assert movement <= MOVEMENT


@pytest.mark.slow
@pytest.mark.parametrize("on_two", ["torch", "jax", "tensorflow"], indirect=True)
@pytest.mark.parametrize("case", CASES)
def test_two_devices_train_as_one(on_two, case):
    assert_equal(on_two, case)


@pytest.mark.slow
def test_two_processes_of_jax_train_as_one(tmp_path):
    train(tmp_path, "jax", 2, ["style"])
    assert_equal(tmp_path, "style")


ALONE = """
import sys

import numpy as np

import alae_core as alae
from benchmarks.overhead import prepare_spread
from tests.helpers.devices import CASES, train

name, folder, case, microbatch = sys.argv[1:]
backend = alae.load_backend(name, "cpu", "float64")
attribute, value = prepare_spread(backend)
for suffix in ("", "-2"):
    np.savez(f"{folder}/{case}{suffix}.npz", **train(backend, CASES[case](), int(microbatch)))
    setattr(backend, attribute, value)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "case", "microbatch"), [("torch", "style", 4), ("tensorflow", "mlp-pairs", 2)])
def test_an_exchange_in_a_group_of_one_process_changes_nothing(tmp_path, backend, case, microbatch):
    """Neither the results of an exchange nor those of a pass are overwritten before they are used."""
    run_python(["-c", ALONE, backend, str(tmp_path), case, str(microbatch)], REPOSITORY)
    assert_equal(tmp_path, case)
    if backend == "torch":
        # Not TensorFlow: XLA rounds the parts of a step in another way than the whole.
        assert differences(tmp_path, case) == (0, 0)


INFERENCE = """
import numpy as np
import alae_core as alae
from alae_core.spread import Spread
from tests.conftest import random_images, tiny_conv_config, tiny_style_config

backend = alae.load_backend("jax", "cpu", spread=Spread(2))
mesh, compile, shared = backend.mesh, backend.compile, []

def compile_and_record(fn):
    compiled = compile(fn)

    def call(*arguments):
        shared.append(compiled(*arguments))
        return shared[-1]

    return call

def compute(config, devices):
    backend.mesh, backend.device_count, backend.compile = mesh if devices > 1 else None, devices, compile_and_record
    model = alae.build(config)
    shape, sizes = model.image_shape(), (1, 5, 24)
    size = model.batch_size()
    w = [model.encode(random_images(count, shape)) for count in sizes]
    return size, [*w, *map(model.generate, w)]

for config in (tiny_conv_config(), tiny_style_config()):
    size, two = compute(config, 2)
    divided = [not each.sharding.is_fully_replicated for each in shared]
    assert divided == [False, True, True, False, True, True], divided
    shared.clear()
    half, one = compute(config, 1)
    shared.clear()
    assert size == 2 * half
    for mine, other in zip(two, one, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
"""


@pytest.mark.slow
def test_two_devices_of_jax_share_the_batches_of_inference():
    """An odd number of images is padded; a single one is computed by both devices."""
    run_python(["-c", INFERENCE], REPOSITORY)
