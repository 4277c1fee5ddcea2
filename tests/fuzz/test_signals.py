"""A small sample of the signal tests in `tests.fuzz.signals`."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.slow
@pytest.mark.framework
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_signals_end_a_run_with_one_line_and_save_its_last_step():
    backend = os.environ.get("KERAS_BACKEND", "jax")
    found = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.signals", "--count", "3", "--backend", backend],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert len(found.stdout.splitlines()) == 6
