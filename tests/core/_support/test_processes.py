"""Child processes end with their parent, and get SIGTERM once."""

import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from alae_core._support.processes import stop_with_parent, terminate_once
from tests.conftest import REPOSITORY
from tests.helpers.processes import start_python, wait_for


def wait_for_signal(folder):
    def note(number, frame):
        (folder / signal.Signals(number).name).touch()
        sys.exit()

    signal.signal(signal.SIGTERM, note)
    stop_with_parent()
    (folder / "ready").touch()
    time.sleep(60)


def start_child(folder):
    get_context("spawn").Process(target=wait_for_signal, args=(Path(folder),)).start()
    time.sleep(60)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_a_child_gets_sigterm_when_its_parent_is_killed(tmp_path):
    code = f"from {__name__} import start_child; start_child({str(tmp_path)!r})"
    parent = start_python(REPOSITORY, "-c", code)
    for name in ("ready", "SIGTERM"):
        wait_for(tmp_path / name)
        parent.kill()
    parent.communicate()


def test_a_child_is_told_once_to_end():
    told = []

    class Child:
        def terminate(self):
            told.append(self)

    first, second = Child(), Child()
    terminate_once([first])
    terminate_once([first, second])
    assert told == [first, second]
