"""A judged process that hangs is ended; exceptions of its backend are raised in the suite."""

import time

import pytest

from alae_conformance import case_files
from alae_conformance.fixture import config_of, fixtures
from alae_conformance.subjects.process import Process, SubjectError, SubjectLost
from alae_conformance.tape import inputs
from alae_core import BackendError

PATIENCE = 120.0


@pytest.mark.framework
def test_a_backend_that_hangs_is_ended():
    process = Process("Hangs", "float32", PATIENCE)
    try:
        assert process.start()
        process.open(config_of(fixtures()["hinge"], "float32").data())
        given = inputs(case_files.read_tape("hinge"))
        process._patience = 0.5
        with pytest.raises(SubjectLost, match=r"losses: no answer within 0.5 s"):
            process.losses(given)
    finally:
        start = time.monotonic()
        process.close()
    assert time.monotonic() - start < 10
    assert not process._process.is_alive()


@pytest.mark.framework
def test_a_process_raises_its_backends_exceptions():
    process = Process("OnlyFloat32", "float32", PATIENCE)
    try:
        assert process.start()
        with pytest.raises(SubjectError, match="AttributeError"):
            process.state()  # nothing is open yet
        assert process.hello()["running"] == "jax"
    finally:
        process.close()
    with pytest.raises(BackendError, match="no float64"):
        Process("OnlyFloat32", "float64", PATIENCE).start()
