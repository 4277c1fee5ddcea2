"""Error messages: one printable line of limited length."""

import pickle

import pytest

from alae_core import AlaeError, ArgumentError
from alae_core._support.text import short_repr


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("plain: ψ is 0.7 × 2 …", "plain: ψ is 0.7 × 2 …"),
        ("two\n   lines\r\nor three\n", "two lines or three"),
        ("\x1b[31mred\x07 \0 \ud800 tab\there", "\\x1b[31mred\\x07 \\x00 \\ud800 tab\\there"),
        ("two  spaces in a name", "two  spaces in a name"),
    ],
)
def test_a_message_is_one_printable_line(message, line):
    assert str(AlaeError(message)) == line
    assert ArgumentError("seed", message).problem == line


@pytest.mark.parametrize("filling", ["x", "\0", "\n"])
def test_long_messages_keep_their_end(filling):
    message = str(AlaeError(f"the file {filling * 10**6}: try another"))
    assert len(message) <= 1000
    assert message.startswith("the file")
    assert message.endswith(": try another")
    assert message.isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        ("a 'text'", "\"a 'text'\""),
        ([1, [2.5, None]], "[1, [2.5, None]]"),
        ({"hidden": [3]}, "{'hidden': [3]}"),
        (2**1000, "a number of about 300 digits"),
    ],
)
def test_short_values_appear_as_their_repr(value, text):
    assert short_repr(value) == text


def test_long_values_are_shortened():
    bomb = ["x"]
    for _ in range(50):
        bomb = [bomb] * 50
    assert len(short_repr(bomb)) < 2000
    assert len(short_repr("x" * 10**7)) <= 80


def test_an_error_of_another_process_can_be_raised_here():
    error = pickle.loads(pickle.dumps(ArgumentError("seed", "is x")))
    assert (type(error), error.argument, error.problem, str(error)) == (ArgumentError, "seed", "is x", "seed is x")
