"""An imported checkpoint of the authors gives the same images on every backend; skipped without that checkpoint."""

import numpy as np
import pytest

from alae_core import load_checkpoint
from alae_workbench.exchange.official import import_official
from tests.across.conftest import BACKENDS
from tests.across.worker import pictures
from tests.helpers.requirements import OFFICIAL, needs_official


@needs_official
@pytest.mark.slow
def test_images_agree_to_a_grey_level(on, tmp_path):
    run = import_official(OFFICIAL / "style32.pth", tmp_path / "run")
    found = {
        backend: np.round((images.clip(-1, 1) + 1) * 127.5).astype(int)
        for backend, images in on(BACKENDS, pictures, run).items()
    }
    jax = found.pop("jax")
    assert jax.shape == (2, 8, 32, 32, 3)
    assert jax.std() > 5, "these are pictures of something"
    for backend, images in found.items():
        assert np.abs(images - jax).max() <= 1, backend


@needs_official
def test_both_file_formats_import_the_same_run(tmp_path):
    zipped, legacy = (
        load_checkpoint(import_official(OFFICIAL / file, tmp_path / file)).state
        for file in ("style32.pth", "style32_legacy.pth")
    )
    assert zipped.keys() == legacy.keys()
    assert all(np.array_equal(zipped[name], legacy[name]) for name in zipped)
