"""The plug-ins of docs/your-own.md compute the same losses and gradients on every backend, in float64."""

import numpy as np
import pytest

from tests.across.conftest import BACKENDS, open_processes
from tests.across.worker import initial_state, losses_and_gradients
from tests.helpers.plugins import forget_plugins, write_plugins
from tests.tolerances import FLOAT32, FLOAT64

CHANGES = {
    "precision": "float64",
    "image": [4, 3, 2],
    "objective": "least_squares",
    "algorithm": "contrastive",
    "reciprocity": "none",
    "networks": {
        "family": "residual",
        "z": 5,
        "w": 6,
        "width": 8,
        "normalize_w": False,
        "F": {"hidden": [9]},
        "D": {"hidden": [8]},
    },
}


@pytest.mark.slow
def test_plugins_agree_on_all_backends(tmp_path, monkeypatch):
    forget_plugins(monkeypatch, tmp_path / "cache")
    files = list(write_plugins(tmp_path).values())
    with open_processes() as on:
        # Keras' own layers draw other initial weights on each backend.
        state = on(["torch"], initial_state, files, CHANGES)["torch"]
        found = on(BACKENDS, losses_and_gradients, files, CHANGES, state)
    expected = found.pop("torch")
    assert {"discriminator", "generator", "contrast", "contrast/E/dense/kernel"} <= expected.keys()
    for backend, values in found.items():
        assert values.keys() == expected.keys()
        for name, value in expected.items():
            # TensorFlow's leaky ReLU rounds its slope to float32.
            tolerance = FLOAT32 if backend == "tensorflow" else FLOAT64
            np.testing.assert_allclose(values[name], value, **tolerance, err_msg=f"{backend} {name}")
