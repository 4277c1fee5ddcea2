"""The face detector on the backend under test."""

import pytest


@pytest.fixture(scope="session")
def detector(backend):
    """The detector, compiled by the backend under test."""
    from alae_workbench.faces.detector import Detector

    return Detector()
