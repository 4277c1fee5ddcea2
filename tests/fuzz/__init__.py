"""Hostile input, seeded: how long a fuzzer looks, and what counts as a finding.

ALAE_FUZZ is the seconds that each fuzzer has, about one if unset; `make fuzz` shares an hour among all of them.
"""

import os
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager

import numpy as np
from hypothesis import HealthCheck, settings

from alae_core import AlaeError

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None

SECONDS = float(os.environ.get("ALAE_FUZZ", "1"))
#: what one input may take: seconds, and bytes of memory or times the bytes of the file, whichever is more
MOST_SECONDS, MOST_BYTES, MOST_TIMES_FILE = 10, 2 * 2**30, 10
#: a message that is longer is nobody's to read
MOST_CHARACTERS = 2000

#: what was tried so far, by test: accepted, refused, and the seconds of the slowest
tried: dict[str, Counter] = {}


class Hang(BaseException):
    """An input took too long. No Exception, for code that catches all of those must not catch this."""


def cases(at_least=20):
    """(number, random generator) of one case after another until the budget is spent; the number is its seed."""
    until, number = time.monotonic() + SECONDS, 0
    while number < at_least or time.monotonic() < until:
        yield number, np.random.default_rng(number)
        number += 1


def examples(per_second):
    """Hypothesis' settings for a fuzzer that tries so many examples in a second."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(max_examples=max(20, int(SECONDS * per_second)), suppress_health_check=slow)


def attempt(action, size=0, about=""):
    """Call `action` and return what it returns, or the AlaeError with which it refused its input of `size` bytes.

    Fails, saying what the case is `about`, on what is a finding: any other exception, an exit, a message that is not
    one line of printable characters or too long, and an input that takes too much time or memory.
    """
    counted = tried.setdefault(os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0], Counter())
    start = time.monotonic()
    try:
        with _limits(max(MOST_BYTES, MOST_TIMES_FILE * size)):
            found = action()
    except AlaeError as error:
        found, message = error, str(error)
        assert message.isprintable(), f"{about}: not one printable line: {message[:MOST_CHARACTERS]!r}"
        assert len(message) < MOST_CHARACTERS, f"{about}: {len(message)} characters: {message[:MOST_CHARACTERS]!r}"
    except (Exception, SystemExit, Hang) as error:
        raise AssertionError(f"{about}: {type(error).__name__}: {str(error)[:MOST_CHARACTERS]}") from error
    counted["refused" if isinstance(found, AlaeError) else "accepted"] += 1
    counted["slowest"] = max(counted["slowest"], time.monotonic() - start)
    return found


@contextmanager
def _limits(size):
    before = None
    if resource and sys.platform == "linux":
        with open("/proc/self/statm") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (held + size, before[1]))
    if resource:
        signal.signal(signal.SIGALRM, _hang)
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        if resource:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if before:
            resource.setrlimit(resource.RLIMIT_AS, before)


def _hang(*_):
    raise Hang(f"no end after {MOST_SECONDS} s")
