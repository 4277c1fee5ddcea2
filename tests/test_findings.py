"""The fuzzers report every kind of finding, but not success or a proper error."""

import sys

import numpy as np
import pytest

from alae_core import AlaeError
from tests import fuzz


@pytest.fixture(autouse=True)
def _count_nothing(monkeypatch):
    monkeypatch.setattr(fuzz, "results", {})


class RawError(AlaeError):
    """An error with an unchanged message; other AlaeErrors make theirs one printable line."""

    def __str__(self):
        return self.message


def refuse(message):
    error = RawError(message)
    error.message = message
    raise error


def loop_forever():
    while True:
        pass


@pytest.mark.parametrize(
    ("action", "finding"),
    [
        (lambda: {}["key"], "KeyError"),
        (lambda: sys.exit(0), "SystemExit"),
        (lambda: refuse("two\nlines"), "not one printable line"),
        (lambda: refuse("a bell \a"), "not one printable line"),
        (lambda: refuse("x" * 3000), "3000 characters"),
    ],
)
def test_exceptions_exits_and_unprintable_or_long_messages_are_findings(action, finding):
    with pytest.raises(AssertionError, match=f"a case: {finding}"):
        fuzz.attempt(action, about="a case")


def test_a_hang_is_a_finding(monkeypatch):
    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.1)
    with pytest.raises(AssertionError, match="a case: Hang"):
        fuzz.attempt(loop_forever, about="a case")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_too_much_memory_is_a_finding():
    with pytest.raises(AssertionError, match=r"a case: .*MemoryError"):
        fuzz.attempt(lambda: np.empty(3 * 2**30, np.uint8), about="a case")
    assert len(fuzz.attempt(lambda: np.empty(3 * 2**30, np.uint8), size=2**30)) == 3 * 2**30, "ten times the file"


def test_success_and_an_error_of_one_line_are_not_findings():
    assert fuzz.attempt(lambda: 3) == 3
    assert str(fuzz.attempt(lambda: refuse("one line about the mistake"))).startswith("one line")
