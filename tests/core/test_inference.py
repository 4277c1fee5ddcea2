"""Functions of tensors on arrays of any length: batches, padding, constants and nested arguments."""

import numpy as np
import pytest
from keras import ops

from alae_core import inference
from alae_core.inference import BatchedFunction, split

pytestmark = pytest.mark.each_backend


@pytest.fixture
def lengths(backend, monkeypatch):
    """The lengths of the batches that functions were called with; nothing is compiled."""
    found = []

    class Recorder:
        def compile(self, fn):
            def call(constants, *rows):
                found.append(rows[0].shape[0])
                return fn(constants, *rows)

            return call

    monkeypatch.setattr(inference, "framework_in_use", Recorder)
    return found


def double(constants, x):
    return 2 * x


def test_slices_cover_all_rows():
    assert list(split(5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(split(0, 2)) == [slice(0, 0)]


@pytest.mark.parametrize(
    ("count", "least", "expected"),
    [
        (0, 1, [1]),
        (3, 1, [4]),
        (9, 1, [6, 4]),
        (11, 1, [6, 6]),
        (7, 1, [6, 1]),
        (7, 6, [6, 6]),
        (1, 6, [6]),
        (9, None, [6, 3]),
        (0, None, [1]),
    ],
)
def test_the_last_batch_is_padded_to_a_power_of_two(lengths, count, least, expected):
    x = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    assert np.array_equal(BatchedFunction(double, 6, least=least)([], x), 2 * x)
    assert lengths == expected


def test_arguments_and_results_may_be_nested(backend):
    def fn(constants, x, maps, options):
        return {"sum": constants["a"] + x + maps[0], "more": [options["b"], x]}

    x, b = np.arange(5, dtype=np.float32), np.arange(5, 10, dtype=np.float32)
    found = BatchedFunction(fn, 2)({"a": ops.convert_to_tensor(np.float32(10))}, x, [np.float32([1.0])], {"b": b})
    assert np.array_equal(found["sum"], 11 + x)
    assert np.array_equal(found["more"][0], b)
    assert np.array_equal(found["more"][1], x)


def test_constants_may_change_between_calls(backend):
    batched, x = BatchedFunction(lambda constants, x: constants[0] * x, 4), np.ones(3, np.float32)
    for factor in (2.0, 3.0):
        assert np.array_equal(batched([ops.convert_to_tensor(np.float32(factor))], x), factor * x)
