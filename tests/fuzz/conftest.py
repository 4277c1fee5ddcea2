"""Divide the time among the fuzzers, and report their cases, their slowest case and the peak memory."""

import pytest

from tests import fuzz


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    fuzz.fuzzers = max(1, sum("tests/fuzz/" in item.path.as_posix() for item in session.items))


def pytest_terminal_summary(terminalreporter):
    if not fuzz.results:
        return
    terminalreporter.section("fuzzed")
    for name, counted in fuzz.results.items():
        terminalreporter.line(
            f"{name}: {counted['accepted']:,} accepted, {counted['refused']:,} refused, "
            f"slowest {counted['slowest']:.2f} s"
        )
    if fuzz.resource:
        peak = fuzz.resource.getrusage(fuzz.resource.RUSAGE_SELF).ru_maxrss / 2**20
        terminalreporter.line(f"peak memory of the process, frameworks included: {peak:.1f} GiB")
