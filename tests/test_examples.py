"""The scripts in examples/."""

import importlib.util

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.python import run_python

EXAMPLES = REPOSITORY / "examples"
STACKED = EXAMPLES / "stacked_mnist.py"


@pytest.fixture(scope="module")
def stacked():
    spec = importlib.util.spec_from_file_location("stacked_mnist", STACKED)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_modes_are_counted_and_compared(stacked):
    uniform = np.arange(1000)
    assert stacked.compare_modes(uniform, uniform) == (1000, 0.0)
    modes, divergence = stacked.compare_modes(np.repeat([7, 8], 50), uniform)
    assert modes == 2
    assert divergence == pytest.approx(np.log(500))


@pytest.mark.slow
@pytest.mark.framework
def test_stacked_digits_are_trained_and_counted(tmp_path):
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 256, (40, 28, 28), np.uint8)
    np.savez(tmp_path / "digits.npz", images=digits, labels=np.arange(40) % 10)
    command = [str(STACKED), "--data", "digits.npz", "--steps", "1", "--samples", "20", "--backend", "torch"]
    *_, last = run_python(command, tmp_path).strip().splitlines()
    assert last.startswith("| relativistic, R2, seed 0 | ")
