"""The truncation trick."""

import numpy as np

from alae_core.truncation import truncate
from tests.tolerances import FLOAT32


def test_the_coarsest_layers_are_pulled_to_the_mean():
    w, mean = np.array([[1.0, 3.0], [0.1, 0.7]], np.float32), np.array([-1.0, 1.0], np.float32)
    found = truncate(w, mean, 0.5, truncated=1, layers=3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], [[0, 2], [1, 3], [1, 3]], **FLOAT32)
    assert np.array_equal(truncate(w, mean, 1.0, truncated=3, layers=3), np.repeat(w[:, None], 3, axis=1))
    assert np.array_equal(truncate(w, mean, 0.0, truncated=2, layers=2), np.tile(mean, (2, 2, 1)))
    styles = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
    np.testing.assert_allclose(truncate(styles, mean, 0.5, truncated=2, layers=3)[:, :2], (styles[:, :2] + mean) / 2)
    assert np.array_equal(truncate(styles, mean, 0.5, truncated=2, layers=3)[:, 2], styles[:, 2])
