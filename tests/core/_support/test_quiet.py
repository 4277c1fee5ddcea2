"""Warnings of other libraries that are hidden."""

import os
import subprocess
import sys

import pytest

from alae_core._support.quiet import is_writable


@pytest.mark.parametrize("variable", ["HOME", "MPLCONFIGDIR"])
def test_matplotlib_is_silent_about_directories_that_cannot_be_written(tmp_path, variable):
    (tmp_path / "file").touch()
    inherited = {key: value for key, value in os.environ.items() if key not in ("MPLCONFIGDIR", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", "import alae_core, matplotlib; print('imported')"],
        env={**inherited, "HOME": str(tmp_path), variable: str(tmp_path / "file" / "folder")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("imported\n", "")


def test_a_folder_is_writable_if_it_can_be_created(tmp_path):
    (tmp_path / "file").touch()
    assert is_writable(tmp_path / "new" / "newer")
    assert not is_writable(tmp_path / "file" / "new")
