"""Measure how much of each limit correct backends use, in many standard runs with fresh numbers.

    python -m alae_conformance.margins RUNS BACKEND… [--first SEED] [--case ID …]

It prints the failures on the numbers of each fixture, and finally the largest error / limit of each tolerance class and
lane, which is the `noise` in tolerances.py.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, product
from pathlib import Path
from tempfile import TemporaryDirectory

from alae_conformance.case import cases
from alae_conformance.judge import Judge
from alae_conformance.numbers import Fresh
from alae_conformance.selection import Selection, Task, select


def main() -> None:
    """Run the suite, and print failures and margins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int)
    parser.add_argument("backends", nargs="+")
    parser.add_argument("--first", type=int, default=1, help="first seed (default: 1)")
    parser.add_argument("--case", nargs="+", default=[], help="run only these cases (default: all of standard)")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.runs)
    tasks = sorted(select("standard", Selection(options.case)), key=lambda task: task[0].fixture)
    with TemporaryDirectory() as checkpoints:
        judges = [Judge(name, Fresh(0), Path(checkpoints), {}, quick=True) for name in options.backends]
        try:
            for fixture, group in groupby(tasks, lambda task: task[0].fixture):
                _judge_fixture(fixture, list(group), judges, seeds)
        finally:
            for judge in judges:
                judge.close()
    largest: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for record in (record for judge in judges for record in judge.cases):
        largest[cases()[record.case].tolerance, record.lane].append(record.ratio)
    for (tolerance, shown), ratios in sorted(largest.items()):
        print(f"{tolerance:10} {shown:9} {max(ratios):.2g} of {len(ratios)} cases")


def _judge_fixture(fixture: str, tasks: Sequence[Task], judges: Sequence[Judge], seeds: Sequence[int]) -> None:
    """Judge a fixture's cases on the numbers of each seed, and print the failures."""
    # Its compiled functions are reused for all numbers, and numbers for all backends.
    numbers, failures = {seed: Fresh(seed) for seed in seeds}, list[str]()
    for judge, (case, lane), seed in product(judges, tasks, numbers):
        judge.numbers = numbers[seed]
        record = judge.run_case(case, lane, [judge.name])
        if record.status not in ("passed", "unsupported"):
            failures.append(f"{judge.name} {case.id} {lane}, seed {seed}, {record.ratio:.3g} {record.message}")
    count = len(judges) * len(tasks) * len(seeds)
    print(f"{fixture}: {count} cases, failures: {'; '.join(failures) or 'none'}", flush=True)


if __name__ == "__main__":
    main()
