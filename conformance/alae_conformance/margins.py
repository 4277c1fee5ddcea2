"""Measure how much of each limit correct backends use, in many standard runs with fresh numbers.

    python -m alae_conformance.margins RUNS BACKEND… [--first SEED] [--case ID …]

It prints the failures of each run, and finally the largest error / limit of each tolerance class and lane, which is the
`noise` in tolerances.py.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from alae_conformance.case import cases
from alae_conformance.judge import Judge
from alae_conformance.numbers import Fresh
from alae_conformance.record import CaseRecord
from alae_conformance.selection import Selection, select


def main() -> None:
    """Run the suite, and print failures and margins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int)
    parser.add_argument("backends", nargs="+")
    parser.add_argument("--first", type=int, default=1, help="first seed (default: 1)")
    parser.add_argument("--case", nargs="+", default=[], help="run only these cases (default: all of standard)")
    options = parser.parse_args()
    tasks = select("standard", Selection(options.case))
    with TemporaryDirectory() as checkpoints:
        # Compiled functions are reused for all numbers, and numbers for all backends.
        judges = [Judge(name, Fresh(options.first), Path(checkpoints), {}, quick=True) for name in options.backends]
        records: list[CaseRecord] = []
        try:
            for seed in range(options.first, options.first + options.runs):
                numbers = Fresh(seed)
                for judge in judges:
                    judge.numbers, judge.cases = numbers, []
                    for case, lane in tasks:
                        judge.run_case(case, lane, [judge.name])
                    records += judge.cases
                    failures = [record for record in judge.cases if record.status not in ("passed", "unsupported")]
                    listing = ", ".join(
                        f"{record.case} {record.lane} {record.ratio:.3g} {record.message}" for record in failures
                    )
                    print(
                        f"seed {seed}, {judge.name}: {len(judge.cases)} cases, failures: {listing or 'none'}",
                        flush=True,
                    )
        finally:
            for judge in judges:
                judge.close()
    largest: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        largest[cases()[record.case].tolerance, record.lane].append(record.ratio)
    for (tolerance, shown), ratios in sorted(largest.items()):
        print(f"{tolerance:10} {shown:9} {max(ratios):.2g} of {len(ratios)} cases")


if __name__ == "__main__":
    main()
