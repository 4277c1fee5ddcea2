"""Registers faulty backends as an installed distribution would."""

import sys

import pytest

from tests.conformance import faulty_backends


# For this package only, because tests elsewhere count the installed backends.
@pytest.fixture(scope="package", autouse=True)
def registered_faults(tmp_path_factory):
    """Let `load_backend(NAME)` find every class of tests/conformance/faulty_backends.py, here and in child processes.

    Yields the directory that other processes need on their path.
    """
    home = tmp_path_factory.mktemp("faults")
    info = home / "faulty_backends-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-backends\nVersion: 1\n", "utf-8")
    lines = [f"{name} = tests.conformance.faulty_backends:{name}" for name in faulty_backends.ALL]
    (info / "entry_points.txt").write_text("\n".join(["[alae.backends]", *lines]), "utf-8")
    sys.path.insert(0, str(home))
    yield str(home)
    sys.path.remove(str(home))
