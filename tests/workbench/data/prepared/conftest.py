"""Photos to prepare, and small shards."""

import numpy as np
import pytest
from PIL import Image

from alae_workbench.data.prepared import set_format


@pytest.fixture
def photos(tmp_path):
    """A folder of ten random images of at least 16×16 in two classes."""
    draw = np.random.default_rng(0)
    for number in range(10):
        path = tmp_path / "photos" / ("cats", "dogs")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (16 + number % 3, 16, 3), np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def small_shards(monkeypatch):
    """Three images per shard, so that ten images make four shards."""
    monkeypatch.setattr(set_format, "_SHARD_BYTES", 3 * 16 * 16 * 3)
