"""Error over limit, where the numbers are at the ends of their range."""

import numpy as np
import pytest

from alae_conformance.judge import judge
from alae_conformance.tolerances import TOLERANCES


def ratio(found, expected):
    """Error over limit of one float32 gradient, alone in its update."""
    names = ("gradients/generator/F/dense0/kernel",)
    (comparison,) = judge(
        *(dict.fromkeys(names, np.asarray(array)) for array in (found, expected)), TOLERANCES["gradient", "float32"], {}
    )
    return comparison.ratio


@pytest.mark.parametrize("size", [1.0, 1e-20, 1e-30])
def test_an_error_is_seen_at_any_size_that_float32_has(size):
    expected = size * np.array([3.0, -4.0])
    assert ratio(expected * (1 + 1e-4), expected) < 1
    assert ratio(expected * (1 + 1e-3), expected) > 4
    assert ratio(np.zeros(2), expected) > 1e3


def test_what_float32_cannot_hold_may_be_zero():
    assert ratio(np.zeros(2), np.array([3e-41, -4e-41])) < 1
