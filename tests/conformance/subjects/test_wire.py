"""What crosses between the suite and a plug-in's process is data, bit for bit; all else is refused, on both sides."""

import json
import pickle
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alae_conformance.subjects import Batches, Inputs
from alae_conformance.subjects.wire import MOST, MOST_JSON, WireError, decode, encode, receive, send
from alae_core.draws import Draws
from alae_core.view import View

NUMBERS = st.sampled_from(["bool", "int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64"])
ARRAYS = arrays.arrays(NUMBERS, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | ARRAYS
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def same(found, value):
    if isinstance(value, np.ndarray):
        assert (found.dtype, found.shape, found.tobytes()) == (value.dtype, value.shape, value.tobytes())
        assert found.flags.writeable or not found.size
    elif isinstance(value, float):
        assert struct.pack("d", found) == struct.pack("d", value) or np.isnan([found, value]).all()
    elif isinstance(value, dict):
        assert list(found) == list(value)
        for key in value:
            same(found[key], value[key])
    elif isinstance(value, list | tuple):
        assert type(found) is type(value)
        assert len(found) == len(value)
        for each, other in zip(found, value, strict=True):
            same(each, other)
    else:
        assert type(found) is type(value)
        assert found == value


@given(VALUES)
def test_whatever_crosses_comes_back_bit_for_bit(value):
    same(decode(encode(value)), value)


def test_what_a_case_hands_over_crosses():
    images = np.arange(24.0, dtype=np.float32).reshape(2, 3, 2, 2)
    draws = {"generator": Draws(images[0], None, 3, [images[1]]), "reciprocity": Draws(None)}
    found = decode(encode(Inputs(images, None, images[0], draws, View(1, 0.25))))
    assert isinstance(found, Inputs)
    assert found.view == View(1, 0.25)
    same(tuple(found.draws["generator"]), tuple(draws["generator"]))
    given = Batches(images, np.arange(6).reshape(2, 3))
    same(decode(encode(given)).at(3, 2), given.at(3, 2))


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("it ran",)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (Bomb(), "the answer is a Bomb, which is neither plain data nor a NumPy array"),
        ({"keras": Bomb()}, r"the answer\['keras'\] is a Bomb"),
        ((1, [2, Bomb()]), r"the answer\[1\]\[1\] is a Bomb"),
        ({"w": np.array([Bomb()])}, r"the answer\['w'\] is an array of object, but only bools, ints and floats cross"),
        (np.array(["text"]), "is an array of <U4"),
        (np.array([1j]), "is an array of complex128"),
        (np.zeros(2, [("a", "f4")]), "is an array of"),
        (np.float32(1), "is a float32, which is neither"),
        ({1: 2}, "has the key 1, which is no text"),
        (Draws(Bomb()), r"the answer.z is a Bomb"),
        (np.zeros(MOST, np.uint8), "takes 67,"),
        ("x" * MOST_JSON, "takes 1,048"),
    ],
)
def test_what_is_no_data_is_named_and_stays(value, complaint):
    with pytest.raises(WireError, match=complaint):
        encode(value)


def message(described, content=b""):
    head = described if isinstance(described, bytes) else json.dumps(described).encode()
    return struct.pack("!QQ", len(head), len(content)) + head + content


HOSTILE = {
    "a pickle": pickle.dumps(Bomb()),
    "a pickle as content": message(["array", "object", 1], pickle.dumps(Bomb())),
    "a pickle as JSON": message(pickle.dumps(Bomb())),
    "nothing": b"",
    "text that is no UTF-8": message(b'"\xff"'),
    "deep nesting": message(b'["list",' * 100_000 + b"1" + b"]" * 100_000),
    "many digits": message(b"1" * 10_000),
    "a dictionary of JSON": message({"a": 1}),
    "an unknown tag": message(["exec", "import os"]),
    "no tag": message([]),
    "a tag that is a list": message([["list"]]),
    "an array beyond its bytes": message(["array", "float64", 2**40]),
    "an array of negative size": message(["array", "float64", -1, -1], bytes(8)),
    "an array of a size of no size": message(["array", "uint8", True], bytes(1)),
    "an array of too many axes": message(["array", "uint8", *[1] * 100], bytes(1)),
    "an array of no type": message(["array", ["float64"], 1], bytes(8)),
    "bytes that are left over": message(["array", "uint8", 1], bytes(2)),
    "a view of no level": message(["View", -1, 1.0]),
    "a record with too many fields": message(["View", 0, 1.0, 2.0]),
    "a dictionary without its last value": message(["dict", "a"]),
    "a dictionary with a list for a key": message(["dict", ["list"], 1]),
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_message_is_refused(sent):
    with pytest.raises(WireError, match="no message") as refused:
        decode(sent)
    assert len(str(refused.value)) < 300


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_garbage_is_refused_or_plain(head, content):
    for sent in (head + content, message(head, content)):
        with suppress(WireError):
            encode(decode(sent))


@contextmanager
def talking(says):
    """A line, on the other end of which `says` talks until nobody listens."""
    here, there = socket.socketpair()

    def talk():
        with suppress(OSError):
            says(there)

    with there, here:
        talker = threading.Thread(target=talk)
        talker.start()
        yield here
        here.close()
        talker.join()


def test_messages_keep_their_bounds_on_the_line():
    def three(line):
        for i in range(3):
            send(line, encode(i))
        line.close()

    with talking(three) as line:
        assert [decode(receive(line, 10)) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(EOFError):
            receive(line, 10)


def test_a_message_that_claims_too_much_is_refused_before_it_comes():
    with (
        talking(lambda line: line.sendall(struct.pack("!QQ", 10, 2**62))) as line,
        pytest.raises(WireError, match="claims 4,611,686,018,427,387,914 bytes"),
    ):
        receive(line, 10)


def test_who_sends_forever_is_not_waited_for():
    def drip(line):
        line.sendall(struct.pack("!QQ", 2**20, 0))
        while True:
            line.sendall(b" ")
            time.sleep(0.001)

    with talking(drip) as line:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            receive(line, 0.2)
        assert time.monotonic() - start < 5


def test_who_does_not_listen_is_not_waited_for():
    with talking(lambda line: None) as line, pytest.raises(TimeoutError):
        send(line, bytes(2**24), 0.1)
