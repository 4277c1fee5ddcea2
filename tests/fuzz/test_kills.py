"""A small sample of the crash tests in `tests.fuzz.kills`: those that do not need a framework."""

import os
import subprocess
import sys

import pytest

from tests import fuzz
from tests.conftest import REPOSITORY


@pytest.mark.skipif(not hasattr(os, "fork"), reason="crash tests need os.fork")
def test_a_run_killed_while_it_rewrites_files_keeps_its_checkpoints():
    count = str(max(10, int(10 * fuzz.seconds())))
    found = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.kills", "--count", count],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
