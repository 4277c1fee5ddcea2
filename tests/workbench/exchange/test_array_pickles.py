"""NumPy arrays in pickles, read without running code of the file."""

import pickle

import numpy as np
import pytest

from alae_workbench.exchange.array_pickles import read_arrays
from alae_workbench.exchange.pickles import PickleError


def test_arrays_in_pickles_are_read_without_running_code():
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": {"c": np.float32([1.5])}}
    for protocol in (3, 4):
        found = read_arrays(pickle.dumps(arrays, protocol=protocol))
        np.testing.assert_array_equal(found["a"], arrays["a"])
        np.testing.assert_array_equal(found["b"]["c"], arrays["b"]["c"])
    for other in (np.arange(3), np.float32([[1, 2], [3, 4]]).T, {"x": print}):
        data = pickle.dumps({"a": other}, protocol=3)
        with pytest.raises(PickleError) if isinstance(other, np.ndarray) else pytest.MonkeyPatch.context():
            assert str(read_arrays(data)["a"]["x"]) == "builtins.print"
    with pytest.raises(PickleError, match="damaged"):
        read_arrays(b"\x80\x03}q\x00X\xff")
