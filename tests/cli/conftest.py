"""What the tests of the command line share."""

import os
from functools import partial

import pytest

from tests.conftest import call_alae

BACKEND = os.environ.get("KERAS_BACKEND", "jax")


@pytest.fixture
def run_alae(monkeypatch, tmp_path):
    """Call `alae` with some words in a directory of its own, where the test is too."""
    monkeypatch.chdir(tmp_path)
    return partial(call_alae, tmp_path)


@pytest.fixture
def refused(run_alae, tmp_path):
    """Check that `alae` answers some words with one line, which holds a message, and with exit code 2."""

    def check(words, message):
        before = sorted(tmp_path.rglob("*"))
        code, _, err = run_alae(*words)
        assert code == 2
        assert message in err
        assert err.startswith("alae: ")
        assert len(err.strip().splitlines()) == 1
        assert sorted(tmp_path.rglob("*")) == before, "a mistake leaves nothing behind"

    return check
