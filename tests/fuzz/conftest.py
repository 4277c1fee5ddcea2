"""What the fuzzers tried is said at the end: cases, the slowest, and the most memory that the process ever held."""

from tests import fuzz


def pytest_terminal_summary(terminalreporter):
    if not fuzz.tried:
        return
    terminalreporter.section("fuzzed")
    for name, counted in fuzz.tried.items():
        terminalreporter.line(
            f"{name}: {counted['accepted']:,} accepted, {counted['refused']:,} refused, "
            f"slowest {counted['slowest']:.2f} s"
        )
    if fuzz.resource:
        peak = fuzz.resource.getrusage(fuzz.resource.RUSAGE_SELF).ru_maxrss / 2**20
        terminalreporter.line(f"most memory held by the process, frameworks and all: {peak:.1f} GiB")
