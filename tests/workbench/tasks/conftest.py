"""Fixtures for tests of the tasks of commands, called from Python."""

import os

import numpy as np
import pytest

from tests.conftest import TINY

#: a model of digits that trains in milliseconds
SMALL = {key: value for key, value in TINY.items() if key.startswith("networks")} | {"training.held_out": 60}


@pytest.fixture(scope="session")
def run(backend, tmp_path_factory):
    """The summary of a run of four steps."""
    import alae_workbench as bench

    path = tmp_path_factory.mktemp("runs") / "run"
    observers = {"backend": os.environ["KERAS_BACKEND"], "observers": []}
    return bench.train("digits-mlp", steps=4, overrides=SMALL, out=path, **observers)


@pytest.fixture(scope="session")
def opened(run):
    """The opened model of the run."""
    import alae_workbench as bench

    return bench.load(run)


@pytest.fixture
def digits():
    """Images in memory, uint8 (4, 8, 8)."""
    return np.random.default_rng(0).integers(0, 256, (4, 8, 8), np.uint8)
