"""LPIPS of reconstructions, with a distance that can be computed directly."""

import numpy as np
import pytest

from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.measures import lpips
from alae_workbench.evaluation.subject import Subject


def test_reconstructions_are_clipped_and_compared_in_order(model, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 3, 2), np.uint8)
    monkeypatch.setattr(lpips, "lpips", lambda *_: lambda x, y: np.square(x - y).mean((1, 2, 3)))
    monkeypatch.setattr(type(model), "reconstruct", lambda self, x, *a, **k: 3 * np.asarray(x))
    x = images[:7].astype(np.float32) / 127.5 - 1
    value = lpips.reconstruction_lpips(Subject(model, DataSet(Arrays(images), Arrays(images)), limit=7), "alex")
    assert value == pytest.approx(np.square(x - np.clip(3 * x, -1, 1)).mean(), rel=1e-5)
