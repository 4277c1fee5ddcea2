"""Images in memory as a source."""

import numpy as np

from alae_workbench.data.memory import Arrays
from tests.helpers.data import random_pixels


def test_a_fingerprint_does_not_depend_on_memory_layout():
    pixels = random_pixels(4, 8)
    expected = Arrays(pixels, np.arange(4)).fingerprint
    assert Arrays(np.asfortranarray(pixels), [0, 1, 2, 3]).fingerprint == expected
    assert Arrays(pixels[::-1].copy()[::-1], np.arange(4, dtype=np.uint8)).fingerprint == expected
    assert Arrays(pixels, np.arange(4, dtype=float)).fingerprint == expected
    assert Arrays(pixels[..., 0]).fingerprint == Arrays(pixels[..., :1]).fingerprint
