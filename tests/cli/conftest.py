"""What the tests of the command line share."""

import os
import sys

import pytest

from alae_cli.app import main

BACKEND = os.environ.get("KERAS_BACKEND", "jax")


@pytest.fixture
def run_alae(monkeypatch, capsys, tmp_path):
    """Call `alae` with some words in a directory of its own; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["alae", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code or 0
        return code, *capsys.readouterr()

    return call


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
