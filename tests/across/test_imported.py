"""An imported checkpoint of the authors' gives the same images on every backend; skipped where there is none."""

import subprocess
import sys

import numpy as np
import pytest

from alae_core import load_checkpoint
from alae_core.official import import_official
from tests.across.test_trajectories import OTHERS, on_all
from tests.conftest import REPOSITORY

RECORDS = REPOSITORY.parent / "shared" / "official_parity"


needs_records = pytest.mark.skipif(not RECORDS.exists(), reason=f"{RECORDS} is not here")


@needs_records
def test_images_agree_to_a_grey_level(tmp_path):
    import_official(RECORDS / "style32.pth", tmp_path / "run")

    def images(backend):
        out = tmp_path / f"{backend}.npy"
        command = [sys.executable, "-m", "tests.across.picture", backend, str(tmp_path / "run"), str(out)]
        found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
        assert found.returncode == 0, found.stderr[-2000:]
        return np.round((np.load(out).clip(-1, 1) + 1) * 127.5).astype(int)

    found = on_all(images)
    assert found["jax"].shape == (2, 8, 32, 32, 3)
    assert found["jax"].std() > 5, "these are pictures of something"
    for backend in OTHERS:
        assert np.abs(found[backend] - found["jax"]).max() <= 1, backend


@needs_records
def test_both_serializations_are_the_same_run(tmp_path):
    zipped, legacy = (
        load_checkpoint(import_official(RECORDS / file, tmp_path / file)).state
        for file in ("style32.pth", "style32_legacy.pth")
    )
    assert zipped.keys() == legacy.keys()
    assert all(np.array_equal(zipped[name], legacy[name]) for name in zipped)
