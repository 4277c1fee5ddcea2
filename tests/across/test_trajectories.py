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


def on_all(job):
    """{backend: job(backend)}, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(BACKENDS, pool.map(job, BACKENDS), strict=True))


@pytest.mark.parametrize("updates", ["paper", "official"])
def test_equal_seeds_agree_for_fifty_steps(updates):
    losses = on_all(lambda backend: run(backend, 50, updates=updates))
    for backend in ("torch", "tensorflow"):
        for name, expected in losses["jax"].items():
            np.testing.assert_allclose(losses[backend][name], expected, **TRAJECTORY, err_msg=f"{backend} {name}")


def test_a_jax_checkpoint_goes_on_under_every_backend(tmp_path):
    straight = run("jax", 200)
    first = run("jax", 100, save=tmp_path)
    np.testing.assert_array_equal(first["generator"], straight["generator"][:100])
    resumed = on_all(lambda backend: run(backend, 100, resume=tmp_path))
    for name, expected in straight.items():
        np.testing.assert_array_equal(resumed["jax"][name], expected[100:])
        for backend in ("torch", "tensorflow"):
            found = resumed[backend][name]
            np.testing.assert_allclose(found[:20], expected[100:120], **TRAJECTORY, err_msg=f"{backend} {name}")
            np.testing.assert_allclose(found, expected[100:], **RESUMED_TRAJECTORY, err_msg=f"{backend} {name}")
