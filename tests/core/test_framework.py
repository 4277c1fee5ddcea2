"""The framework in use, and the functions that it compiles."""

import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core import framework
from tests.tolerances import FLOAT32

pytestmark = pytest.mark.each_backend


def test_the_framework_in_use_is_the_one_opened_last(backend, monkeypatch):
    opened = alae.load_backend(backend.name)
    assert framework.framework_in_use() is opened
    # If none was opened, as in a notebook, it is the one that Keras runs on.
    monkeypatch.setattr(framework, "_opened", [])
    assert framework.framework_in_use().name == backend.name


def test_compiled_functions_are_traced_once_per_shape(backend):
    traces = []

    def fn(weights, x, rows):
        traces.append(tuple(x.shape))
        return ops.matmul(x, weights["kernel"]) + rows[0]

    compiled, rng = backend.compile(fn), np.random.default_rng(0)
    for count in (3, 3, 2, 3, 2):
        kernel, x, row = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 5), (count, 4), (5,)))
        found = compiled({"kernel": tensor(kernel)}, tensor(x), [tensor(row)])
        np.testing.assert_allclose(ops.convert_to_numpy(found), x @ kernel + row, **FLOAT32)
    assert set(traces) == {(3, 4), (2, 4)}
    assert len(traces) == 2


def tensor(array):
    return ops.convert_to_tensor(array)
