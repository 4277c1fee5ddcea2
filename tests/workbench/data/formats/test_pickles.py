"""Pickles of plain data and float32 arrays; test_torch_files.py and tests/fuzz/test_pth.py test more hostile ones."""

import pickle
import struct
import time
import tracemalloc
from io import BytesIO

import numpy as np
import pytest

from alae_workbench.data.formats.pickles import (
    DAMAGE,
    Name,
    PickleError,
    Placeholder,
    PlainUnpickler,
    read_pickled_arrays,
)


def load(content):
    return PlainUnpickler(BytesIO(content)).load()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_is_equal_to_what_was_pickled(protocol):
    numbers = [0, -1, 255, 70_000, -(2**31), 2**40, 2**100, 2**3000, 1.5, float("inf"), True, False, None]
    shared = (1, "shared")
    value = {
        "numbers": numbers,
        "text": ["", "é", "\n'", "x" * 300],
        "empty": [[], (), {}],
        3: (1, 2, 3, 4),
        None: shared,
    }
    value["again"] = [shared, shared]
    assert load(pickle.dumps(value, protocol)) == value


def test_bytes_and_byte_arrays_are_read_as_bytes():
    assert load(pickle.dumps([b"", b"a\0", b"x" * 300, bytearray(b"y")], 5)) == [b"", b"a\0", b"x" * 300, b"y"]


def test_a_claimed_length_does_not_reserve_memory():
    tracemalloc.start()
    with pytest.raises(DAMAGE):
        load(b"\x96" + struct.pack("<Q", 2**33))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("protocol", [0, 1])
def test_byte_strings_of_python_2_are_read_as_text(protocol):
    content = {0: b"S'caf\\xe9'\n.", 1: b"U\x04caf\xe9."}[protocol]
    assert load(content) == "café"


def test_sets_are_read_as_lists():
    assert sorted(load(pickle.dumps({1, 2, 3}, 4))) == [1, 2, 3]
    assert load(pickle.dumps(frozenset([5]), 4)) == [5]


def test_entries_with_other_keys_are_skipped():
    assert load(pickle.dumps({(1, 2): 3, b"x": 4, "kept": 5}, 4)) == {"kept": 5, "x": 4}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_names_are_not_looked_up_and_objects_become_placeholders(protocol):
    assert load(pickle.dumps(np.float32, protocol)) == Name("numpy", "float32")
    found = load(pickle.dumps([np.random.default_rng(0), slice(1), "after"], protocol))
    assert found[2] == "after"
    assert all(isinstance(value, Placeholder) for value in found[:2])
    assert found[1].name.endswith(".slice")


def test_a_hostile_key_or_member_is_never_hashed():
    """Read a tuple that contains its predecessor twice, nested 200 times, and one too deep to hash without a crash."""
    doubled = b")" + b"q\x00" + b"".join(b"0h%ch%c\x86q%c" % (i, i, i + 1) for i in range(200))
    deep = b")" + b"\x85" * 300_000
    start = time.process_time()
    for hostile in (doubled, deep):
        assert load(b"\x80\x02}" + hostile + b"Ns.") == {}
        assert load(b"\x80\x02N" + b"(" + hostile + b"Nd.") == {}
        assert load(b"\x80\x02}(" + hostile + b"Nu.") == {}
        assert len(load(b"\x80\x04\x8f(" + hostile + b"\x90.")) == 1
        assert len(load(b"\x80\x04(" + hostile + b"\x91.")) == 1
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x82\x01.", "EXT1"),
        (b"Pkey\n.", "PERSID"),
        (b"\x97.", "NEXT_BUFFER"),
    ],
)
def test_other_instructions_are_refused(content, message):
    with pytest.raises(PickleError, match=f"holds the pickle instruction {message}, which plain data does not need"):
        load(content)


def test_an_unknown_reference_is_refused():
    with pytest.raises(DAMAGE):
        load(pickle.dumps("x", 4)[:-1] + b"Q.")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_float32_arrays_are_read(protocol):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": {"c": np.float32([1.5])}}
    content = pickle.dumps(arrays, protocol=protocol)
    if protocol == 5:
        # NumPy pickles arrays differently in this protocol; the files that alae reads do not use it.
        assert isinstance(read_pickled_arrays(content)["a"], Placeholder)
    elif protocol == 2:
        # This protocol encodes bytes as text.
        with pytest.raises(PickleError, match="other than arrays of float32"):
            read_pickled_arrays(content)
    else:
        found = read_pickled_arrays(content)
        np.testing.assert_array_equal(found["a"], arrays["a"])
        np.testing.assert_array_equal(found["b"]["c"], arrays["b"]["c"])
        assert found["a"].dtype == np.float32


@pytest.mark.parametrize("other", [np.arange(3), np.float32([[1, 2], [3, 4]]).T, np.zeros(3, ">f4"), np.array([{}])])
def test_other_arrays_are_refused(other):
    with pytest.raises(PickleError, match="other than arrays of float32"):
        read_pickled_arrays(pickle.dumps({"a": other}, protocol=3))


@pytest.mark.parametrize("shape", [("x", 10**9), (10**9,) * 100_000, (-1,), (2.0,), (2**80,)])
def test_arrays_of_implausible_shapes_are_refused(shape):
    content = pickle.dumps([np.float32([1, 2]), shape], protocol=3)
    start = content.index(b"K\x02\x85")
    stop = content.index(b"q", start)
    crafted = content[:start] + pickle.dumps(shape, protocol=3)[2:-1].replace(b"q\x00", b"") + content[stop:]
    with pytest.raises(PickleError, match="the shape of an array is not a tuple of at most eight lengths"):
        read_pickled_arrays(crafted)


def test_a_function_in_a_pickle_is_not_looked_up():
    assert str(read_pickled_arrays(pickle.dumps({"x": print}, protocol=3))["x"]) == "builtins.print"


def test_damaged_pickles_are_refused():
    with pytest.raises(PickleError, match="damaged"):
        read_pickled_arrays(b"\x80\x03}q\x00X\xff")
