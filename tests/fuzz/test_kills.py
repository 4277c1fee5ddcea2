"""A few of the kills that `python -m tests.fuzz.kills` deals out by the hundred: those that need no framework."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.fuzz import SECONDS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the kills are dealt out by a process that forks")
def test_kills_while_a_run_rewrites_its_files_lose_nothing():
    count = str(max(10, int(10 * SECONDS)))
    found = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.kills", "--count", count],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
