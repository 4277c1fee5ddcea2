"""Several processes that write a prepared set."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import content
from tests.helpers.prepared_sets import prepare


@pytest.mark.usefixtures("small_shards")
def test_several_processes_write_the_same_bytes_as_one(photos, tmp_path):
    for file in list(photos.rglob("*.png")):
        file.rename(photos / file.name)
    prepare(photos, tmp_path / "one")
    found = prepare(photos, tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert found.labels is None
    assert found.names[:2] == ["0.png", "1.png"]


KILLED = """
import sys
from pathlib import Path
from alae_workbench.data.prepared import set_format
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.writing import write_set

if __name__ == "__main__":
    set_format._SHARD_BYTES = 3 * 16 * 16 * 3
    write_set(plan_preparation(sys.argv[1], Path(sys.argv[2])), workers=2)
"""


def test_a_killed_preparation_ends_its_processes_and_can_continue(photos, tmp_path, small_shards):
    prepare(photos, tmp_path / "whole")
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    parent = subprocess.Popen([sys.executable, str(script), str(photos), str(tmp_path / "set")], start_new_session=True)
    until = time.monotonic() + 30
    while not list((tmp_path / "set").glob("preparing/images-*.json")) and time.monotonic() < until:
        time.sleep(0.002)
    parent.kill()
    parent.wait()
    while time.monotonic() < until:
        try:
            os.killpg(parent.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    else:
        os.killpg(parent.pid, signal.SIGKILL)
        pytest.fail("processes outlive the one that they write for")
    if not (tmp_path / "set" / "manifest.json").exists():
        prepare(photos, tmp_path / "set")
    assert content(tmp_path / "set") == content(tmp_path / "whole")
