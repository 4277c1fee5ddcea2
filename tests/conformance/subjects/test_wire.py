"""Answers of a judged process arrive bit for bit if they are plain data; both sides refuse all others."""

import json
import pickle
import struct
from contextlib import suppress
from io import BytesIO

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alae_conformance.subjects.wire import MOST_BYTES, WireError, decode, encode

NUMBERS = st.sampled_from(["bool", "int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64"])
ARRAYS = arrays.arrays(NUMBERS, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | ARRAYS
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def assert_same(received, sent):
    if isinstance(sent, np.ndarray):
        assert (received.dtype, received.shape, received.tobytes()) == (sent.dtype, sent.shape, sent.tobytes())
        assert received.flags.writeable or not received.size
    elif isinstance(sent, float):
        assert struct.pack("d", received) == struct.pack("d", sent) or np.isnan([received, sent]).all()
    elif isinstance(sent, dict):
        assert list(received) == list(sent)
        for key in sent:
            assert_same(received[key], sent[key])
    elif isinstance(sent, list | tuple):
        assert len(received) == len(sent)
        for one, other in zip(received, sent, strict=True):
            assert_same(one, other)
    else:
        assert type(received) is type(sent)
        assert received == sent


@given(VALUES)
def test_plain_data_arrives_bit_for_bit(value):
    kind, received = decode(*encode("value", value))
    assert kind == "value"
    assert_same(received, value)


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (Bomb(), "the answer is a Bomb, which is neither plain data nor a NumPy array"),
        ({"keras": Bomb()}, r"the answer\['keras'\] is a Bomb"),
        ((1, [2, Bomb()]), r"the answer\[1\]\[1\] is a Bomb"),
        ({"w": np.array([Bomb()])}, r"the answer\['w'\] is an array of object, but only bools, ints and floats"),
        (np.array(["text"]), "is an array of <U4"),
        (np.array([1j]), "is an array of complex128"),
        (np.zeros(2, [("a", "f4")]), "is an array of"),
        (np.zeros(2, ml_dtypes.bfloat16), "is an array of bfloat16"),
        (np.float32(1), "is a float32, which is neither"),
        ({1: 2}, "has the key 1, which is not a str"),
        (np.zeros(MOST_BYTES, np.uint8), "takes 67,"),
    ],
)
def test_an_answer_that_is_not_plain_data_is_refused_with_its_place(value, complaint):
    with pytest.raises(WireError, match=complaint):
        encode("value", value)


def frames(content, arrays=b""):
    text = content if isinstance(content, bytes) else json.dumps(["value", content]).encode()
    return text, arrays


def npy(array):
    file = BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


#: a header of the same length that announces 72 GB
LARGE = npy(np.zeros(9)).replace(b"(9,), }         ", b"(9000000000,), }")
HOSTILE = {
    "nothing": (b"", b""),
    "a pickle in place of JSON": (pickle.dumps(Bomb()), b""),
    "a pickle in place of an array": frames({"array": True}, pickle.dumps(Bomb())),
    "an array of objects": frames({"array": True}, npy(np.array([Bomb()]))),
    "text that is not UTF-8": (b'["value", "\xff"]', b""),
    "deep nesting": (b'["value", ' + b"[" * 100_000 + b"]" * 100_000 + b"]", b""),
    "a number of many digits": (b'["value", ' + b"1" * 10_000 + b"]", b""),
    "another kind": (b'["exec", "import os"]', b""),
    "no kind": (b"[]", b""),
    "a number": (b"3", b""),
    "a dictionary of neither kind": frames({"a": 1}),
    "a dictionary that is a list": frames({"dict": [1]}),
    "an array that is missing": frames([{"array": True}, {"array": True}], npy(np.zeros(1))),
    "an array that is cut off": frames({"array": True}, npy(np.zeros(9))[:-1]),
    "an array of more bytes than there are": frames({"array": True}, LARGE),
    "arrays that are not announced": frames(1, npy(np.zeros(1))),
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_frames_that_are_not_an_answer_are_refused(sent):
    with pytest.raises(WireError, match="not an answer") as refused:
        decode(*sent)
    assert len(str(refused.value)) < 300


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_random_frames_are_refused_or_plain_data(text, arrays):
    for sent in ((text, arrays), frames({"array": True}, arrays), frames(text.decode("latin-1"), arrays)):
        with suppress(WireError):
            encode(*decode(*sent))
