"""The judge of the fuzzers, judged: each kind of finding is one."""

import sys

import numpy as np
import pytest

from alae_core import AlaeError
from tests import fuzz


@pytest.fixture(autouse=True)
def _uncounted(monkeypatch):
    monkeypatch.setattr(fuzz, "tried", {})


class Unwashed(AlaeError):
    """An error whose message is as it was given: alae's own come as one printable line, whatever is in them."""

    def __str__(self):
        return self.message


def refuse(message):
    error = Unwashed(message)
    error.message = message
    raise error


def forever():
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
def test_what_is_a_finding(action, finding):
    with pytest.raises(AssertionError, match=f"a case: {finding}"):
        fuzz.attempt(action, about="a case")


def test_a_hang_is_a_finding(monkeypatch):
    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.1)
    with pytest.raises(AssertionError, match="a case: Hang"):
        fuzz.attempt(forever, about="a case")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_too_much_memory_is_a_finding():
    with pytest.raises(AssertionError, match=r"a case: .*MemoryError"):
        fuzz.attempt(lambda: np.empty(3 * 2**30, np.uint8), about="a case")
    assert len(fuzz.attempt(lambda: np.empty(3 * 2**30, np.uint8), size=2**30)) == 3 * 2**30, "ten times the file"


def test_success_and_a_line_are_none():
    assert fuzz.attempt(lambda: 3) == 3
    assert str(fuzz.attempt(lambda: refuse("one line that says what is wrong"))).startswith("one line")
