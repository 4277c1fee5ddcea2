"""Run readers on hostile input: the time each fuzzer gets, and the judgement of each input.

The environment variable ALAE_FUZZ is the number of seconds that all fuzzers of a run share, by default 5. `make fuzz`
gives them an hour.
"""

import os
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager

import numpy as np

from alae_core import AlaeError

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None

#: seconds that all fuzzers of a run share
BUDGET = float(os.environ.get("ALAE_FUZZ", "5"))
#: fuzzers that share the budget; tests/fuzz/conftest.py counts them
fuzzers = 1
#: limits for one input: seconds, and bytes of memory or a multiple of the file's size, whichever is larger
MOST_SECONDS, MOST_BYTES, MOST_TIMES_FILE = 10, 2 * 2**30, 10
#: longest accepted message
MOST_CHARACTERS = 2000

#: results so far, by test: inputs accepted, inputs refused, and the seconds of the slowest
results: dict[str, Counter] = {}


class Hang(BaseException):
    """An input took too long. Not an Exception, so that code which catches every Exception does not catch it."""


def seconds():
    """Return the seconds that each fuzzer gets."""
    return BUDGET / fuzzers


def cases(at_least=5):
    """Yield (number, random generator) until the fuzzer's time is spent; the number is the generator's seed."""
    end, number = time.monotonic() + seconds(), 0
    while number < at_least or time.monotonic() < end:
        yield number, np.random.default_rng(number)
        number += 1


def attempt(action, size=0, about=""):
    """Call `action`; returns its result, or the AlaeError with which it refused its input of `size` bytes.

    Fails, with the text `about`, if `action` raises another exception, exits, takes too much time or memory, or gives a
    message that is too long or not one line of printable characters.
    """
    counted = results.setdefault(os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0], Counter())
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
