"""Equal seeds train equally on every backend, and a checkpoint goes on under any of them."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.tolerances import RESUMED_TRAJECTORY, TRAJECTORY

BACKENDS = ("jax", "torch", "tensorflow")
OTHERS = BACKENDS[1:]


def run(backend, steps, resume=None, save=None, **overrides):
    """The losses of `steps` training steps on real digits, as {update: array}."""
    job = {"steps": steps, "resume": resume and str(resume), "save": save and str(save), "overrides": overrides}
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-m", "tests.across.worker", backend, json.dumps(job)]
    found = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert found.returncode == 0, found.stderr[-2000:]
    records = json.loads(found.stdout.strip().splitlines()[-1])
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def on_all(job, backends=BACKENDS):
    """{backend: job(backend)}, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(backends, pool.map(job, backends), strict=True))


def agree(found, expected, tolerance):
    for name, losses in expected.items():
        np.testing.assert_allclose(found[name], losses, **tolerance, err_msg=name)


def part(losses, start, end):
    return {name: each[start:end] for name, each in losses.items()}


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """200 steps under JAX, and the checkpoint after half of them."""
    directory = tmp_path_factory.mktemp("straight")
    return run("jax", 200, save=directory), directory


def test_equal_seeds_agree_for_fifty_steps(straight):
    for losses in on_all(lambda backend: run(backend, 50), OTHERS).values():
        agree(losses, part(straight[0], 0, 50), TRAJECTORY)


def test_equal_seeds_agree_with_the_updates_of_the_authors():
    losses = on_all(lambda backend: run(backend, 50, updates="official"))
    for backend in OTHERS:
        agree(losses[backend], losses["jax"], TRAJECTORY)


def test_a_jax_checkpoint_goes_on_under_every_backend(straight):
    losses, checkpoint = straight
    resumed = on_all(lambda backend: run(backend, 100, resume=checkpoint))
    for name, expected in losses.items():
        np.testing.assert_array_equal(resumed["jax"][name], expected[100:])
    for backend in OTHERS:
        agree(part(resumed[backend], 0, 20), part(losses, 100, 120), TRAJECTORY)
        agree(resumed[backend], part(losses, 100, 200), RESUMED_TRAJECTORY)
