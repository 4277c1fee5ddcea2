"""How much of their limits sound backends use up: many standard runs with fresh numbers, in one process per lane.

    python -m alae_conformance.noise RUNS BACKEND… [--first SEED]

It prints each run's alarms, and in the end the largest error / limit by tolerance class and lane: the `noise` of
tolerances.py.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from alae_conformance.case import cases
from alae_conformance.judge import Judge
from alae_conformance.numbers import Fresh
from alae_conformance.record import CaseRecord
from alae_conformance.selection import select


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int)
    parser.add_argument("backends", nargs="+")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    options = parser.parse_args()
    with TemporaryDirectory() as checkpoints:
        # Functions that were compiled for a fixture serve for all numbers, and numbers for all backends.
        judges = [Judge(name, Fresh(options.first), Path(checkpoints), {}) for name in options.backends]
        records: list[CaseRecord] = []
        try:
            for seed in range(options.first, options.first + options.runs):
                numbers = Fresh(seed)
                for judge in judges:
                    judge.numbers, judge.cases = numbers, []
                    judge.run(select("standard"), [judge.name])
                    records += judge.cases
                    alarms = [record for record in judge.cases if record.status not in ("passed", "unsupported")]
                    words = ", ".join(
                        f"{record.case} {record.lane} {record.ratio:.3g} {record.message}" for record in alarms
                    )
                    print(f"seed {seed}, {judge.name}: {len(judge.cases)} cases, alarms: {words or 'none'}", flush=True)
        finally:
            for judge in judges:
                judge.close()
    noise: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        noise[cases()[record.case].tolerance, record.lane].append(record.ratio)
    for (tolerance, lane), ratios in sorted(noise.items()):
        print(f"{tolerance:10} {lane:9} {max(ratios):.2g} of {len(ratios)} cases")


if __name__ == "__main__":
    main()
