"""Errors and limits at the ends of float32's range, and in exact checks."""

import numpy as np
import pytest

from alae_conformance.comparison import compare
from alae_conformance.tolerances import TOLERANCES


def ratio(found, expected):
    """Return error / limit of one float32 gradient that is the only one of its update."""
    names = ("gradients/generator/F/dense0/kernel",)
    (comparison,) = compare(
        *(dict.fromkeys(names, np.asarray(array)) for array in (found, expected)), TOLERANCES["gradient", "float32"], {}
    )
    return comparison.ratio


@pytest.mark.parametrize("size", [1.0, 1e-20, 1e-30])
def test_errors_are_detected_at_every_magnitude_of_float32(size):
    expected = size * np.array([3.0, -4.0])
    assert ratio(expected * (1 + 1e-4), expected) < 1
    assert ratio(expected * (1 + 1e-3), expected) > 4
    assert ratio(np.zeros(2), expected) > 1e3


def test_values_below_the_range_of_float32_may_be_zero():
    assert ratio(np.zeros(2), np.array([3e-41, -4e-41])) < 1


@pytest.mark.parametrize("frozen", [np.array(0), np.array([], str)], ids=["as a number", "as names"])
def test_an_exact_check_names_the_arrays(frozen):
    (held,) = compare({"by_name/state": np.array([], str)}, {"by_name/state": frozen}, None, {})
    assert held.passed
    names = [f"weights/F/dense{k}/kernel" for k in range(5)]
    (found,) = compare({"by_name/state": np.array(names)}, {"by_name/state": frozen}, None, {})
    assert not found.passed
    assert found.error == 5
    assert found.note == f"differing: {', '.join(names[:3])} and 2 more"


def test_different_names_are_listed():
    (found,) = compare({"names/w": np.array(["a (1,)"])}, {"names/w": np.array(["b (1,)"])}, None, {})
    assert found.note == "missing or unknown: a (1,), b (1,)"
