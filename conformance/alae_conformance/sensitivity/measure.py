"""Measuring the smallest change of a constant that fails a case."""

from math import inf, sqrt
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alae_conformance.case import Case, cases, experiment_of
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import fixtures
from alae_conformance.judge import compare_case
from alae_conformance.numbers import Frozen, Numbers
from alae_conformance.sensitivity.constants import Constant
from alae_conformance.tolerances import Lane

#: the lanes that are measured: passes of a batch have the limits of float32
MEASURED: tuple[Lane, ...] = ("float32", "float64", "bfloat16")
#: the first change tried, the largest and the smallest; a search ends if the largest that passes is this close below
_FIRST, _MOST, _LEAST, _CLOSE = 1e-3, 0.5, 1e-8, 1.3
_TRIALS = 10


def smallest_change(constant: Constant, case: Case, lane: Lane, numbers: Numbers) -> float:
    """Return the smallest decrease of a constant, relative to it, that fails a case; infinite if half of it passes."""
    passes, fails, change = 0.0, inf, _FIRST
    for _ in range(_TRIALS):
        ratio = ratio_of(constant, case, lane, change, numbers)
        passes, fails = (max(passes, change), fails) if ratio <= 1 else (passes, min(fails, change))
        if passes >= _MOST or fails <= max(_LEAST, _CLOSE * passes):
            break
        # Most errors are proportional to the change.
        change = change / ratio * 1.1 if 0 < ratio < inf else change * (10 if ratio == 0 else 0.1)
        if not passes < change < fails:
            change = sqrt(max(passes, _LEAST) * min(fails, _MOST))
        change = min(max(change, _LEAST), _MOST)
    return fails


def ratio_of(constant: Constant, case: Case, lane: Lane, change: float, numbers: Numbers) -> float:
    """Return the largest error over its limit in a case, if a constant is decreased by a relative change."""
    with TemporaryDirectory() as checkpoints, constant.change(1 - change) as subject:
        setting = Setting(fixtures()[case.fixture], lane, numbers.tape(case.fixture), Path(checkpoints))
        with np.errstate(all="ignore"):
            observed = experiment_of(case).run(subject, setting)
        comparisons = compare_case(case, lane, observed, numbers)
    return max(inf if np.isnan(comparison.ratio) else comparison.ratio for comparison in comparisons)


def measure(constant: Constant, numbers: Numbers | None = None) -> dict[Lane, tuple[float, str]]:
    """Return, for each lane in which its cases run, the smallest change that fails and the case that fails."""
    numbers = numbers or Frozen()
    chosen = [cases()[name] for name in constant.cases.split()]
    found: dict[Lane, tuple[float, str]] = {}
    for lane in MEASURED:
        changes = [(smallest_change(constant, case, lane, numbers), case.id) for case in chosen if lane in case.lanes]
        if changes:
            found[lane] = min(changes)
    return found
