"""How much of their limits sound backends use up: many standard runs with fresh numbers, in one process per lane.

    python -m alae_conformance.noise BACKEND RUNS [FIRST_SEED]

It prints each run's alarms, and in the end the largest error / limit by tolerance class and lane: the `noise` of
tolerances.py is the largest of all backends.
"""

import sys
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from alae_conformance.numbers import Fresh
from alae_conformance.record import CaseRecord
from alae_conformance.suite import Judge, select
from alae_conformance.vectors import cases


def main() -> None:
    """See the module's docstring."""
    backend, runs, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
    records: list[CaseRecord] = []
    with TemporaryDirectory() as checkpoints:
        # Functions that were compiled for a fixture serve for all numbers.
        judge = Judge(backend, Fresh(first), Path(checkpoints), {})
        try:
            for seed in range(first, first + runs):
                judge.numbers, judge.cases = Fresh(seed), []
                judge.run(select("standard"), [backend])
                records += judge.cases
                alarms = [record for record in judge.cases if record.status not in ("passed", "unsupported")]
                words = ", ".join(
                    f"{record.case} {record.lane} {record.ratio:.3g} {record.message}" for record in alarms
                )
                print(f"seed {seed}: {len(judge.cases)} cases, alarms: {words or 'none'}", flush=True)
        finally:
            judge.close()
    noise: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        noise[cases()[record.case].tolerance, record.lane].append(record.ratio)
    for (tolerance, lane), ratios in sorted(noise.items()):
        print(f"{tolerance:10} {lane:9} {max(ratios):.2g} of {len(ratios)} cases")


if __name__ == "__main__":
    main()
