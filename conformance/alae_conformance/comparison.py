"""Comparing the outcome of an experiment with the expected one: error and limit of each quantity."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from alae_conformance.tolerances import (
    NOISE_DEVIATIONS,
    RECIPROCITY_EQUIVALENCE,
    RECIPROCITY_EXCEPTIONS,
    RECIPROCITY_RATIO,
    UNDERFLOW,
    Tolerance,
)

#: the outcome of an experiment: arrays by "check/quantity"
Observations = dict[str, np.ndarray]

#: checks that must be exactly zero for networks that an update does not train
_MOVES = ("displacement", "moments")
#: number of leading parts of a key that tensors computed together have in common
_GROUPS = {"gradients": 2, "displacement": 2, "averages": 2, "moments": 4}


@dataclass(frozen=True)
class Comparison:
    """One quantity of one check."""

    check: str
    quantity: str
    error: float
    limit: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """error / limit; for an exact comparison, 0 if it is equal and infinity if not."""
        return self.error / self.limit if self.limit else (inf if self.error else 0.0)

    @property
    def passed(self) -> bool:
        """Whether the error is within its limit; NaN is not."""
        return self.error <= self.limit


def compare(
    observed: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    tolerance: Tolerance | None,
    weight_norms: Mapping[str, float],
) -> list[Comparison]:
    """Compare every observation. Missing and unexpected ones fail.

    Args:
        observed, expected: arrays by the same keys.
        tolerance: None if everything must be equal.
        weight_norms: the norm of each weight by name, to which the rounding of displacements is proportional.
    """
    comparisons = []
    for key in sorted(observed.keys() ^ expected.keys()):
        check, quantity = key.split("/", 1)
        comparisons.append(Comparison(check, quantity, inf, 0.0, "missing" if key in expected else "unexpected"))
    common = sorted(observed.keys() & expected.keys())
    if tolerance and tolerance.whole:
        observed, expected = (_concatenate_groups(arrays, common) for arrays in (observed, expected))
        common = sorted(expected)
    group_norms: dict[str, float] = {}
    for key in (key for key in common if expected[key].dtype.kind == "f"):
        group_norms[_group(key)] = sqrt(group_norms.get(_group(key), 0.0) ** 2 + _norm(expected[key]) ** 2)
    for key in common:
        check, quantity = key.split("/", 1)
        if check == "reciprocity":
            comparisons += list(_compare_statistics(observed[key], expected[key]))
        elif check == "noise":
            # Each device draws its own numbers, so they are not compared with the reference's.
            comparisons.append(Comparison(check, quantity, float(np.abs(observed[key])), NOISE_DEVIATIONS))
        elif tolerance is None or check == "exact" or expected[key].dtype.kind in "iubU":
            comparisons.append(_compare_exactly(check, quantity, observed[key], expected[key]))
        elif check in _MOVES and not expected[key].any():
            comparisons.append(_compare_exactly("untouched", key, observed[key], expected[key]))
        else:
            by_weight = check in ("displacement", "averages") and not tolerance.whole
            scale = weight_norms[_weight(key)] if by_weight else group_norms[_group(key)]
            comparisons.append(_compare_closely(check, quantity, observed[key], expected[key], tolerance, scale))
    return comparisons


def _compare_closely(
    check: str, quantity: str, observed: np.ndarray, expected: np.ndarray, tolerance: Tolerance, scale: float
) -> Comparison:
    flaw = _flaw(observed, expected)
    if flaw:
        return Comparison(check, quantity, inf, 0.0, flaw)
    observed, expected = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    if check == "trajectory":
        # Compare each step's loss separately, because the first ones are the largest and differ least.
        errors, limits = np.abs(observed - expected), tolerance.relative * np.abs(expected) + tolerance.floor
        worst = int(np.argmax(errors / limits))
        return Comparison(check, f"{quantity} at step {worst + 1}", float(errors[worst]), float(limits[worst]))
    if check in ("forward", "looking", "input_gradient", "losses"):
        scale = sqrt(expected.size)
    limit = tolerance.relative * _norm(expected) + tolerance.floor * scale + UNDERFLOW
    return Comparison(check, quantity, _norm(observed - expected), limit)


def _compare_exactly(check: str, quantity: str, observed: np.ndarray, expected: np.ndarray) -> Comparison:
    if observed.dtype.kind == "U":
        # `observed` holds either all names, or only names of arrays that differ. No difference is expected: `expected`
        # is then empty or, in older cases, the number 0.
        wanted = set(expected.tolist()) if expected.dtype.kind == "U" else set()
        names = sorted(set(observed.tolist()) ^ wanted)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        word = "missing or unknown" if wanted else "differing"
        note = f"{word}: {', '.join(names[:3])}{more}" if names else ""
        return Comparison(check, quantity, float(len(names)), 0.0, note)
    if observed.shape == expected.shape:
        different = int(np.sum(np.asarray(observed != expected)))
        note = f"{different} differ" if expected.ndim else f"is {observed}, but should be {expected}"
        return Comparison(check, quantity, float(different), 0.0, note if different else "")
    return Comparison(check, quantity, inf, 0.0, _flaw(observed, expected))


def _compare_statistics(observed: np.ndarray, expected: np.ndarray) -> Iterator[Comparison]:
    """Compare R of shape (seeds, 1 + steps/50); the first column is from before training."""
    if _flaw(observed, expected) or not (observed > 0).all():
        for check in ("ratio", "equivalence"):
            yield Comparison(check, "R", inf, 0.0, _flaw(observed, expected) or "an error of zero or less")
        return
    worst_allowed = np.sort(observed[:, -1] / observed[:, 0])[-1 - RECIPROCITY_EXCEPTIONS]
    yield Comparison("ratio", "R400 / R0", float(worst_allowed), RECIPROCITY_RATIO)
    for step, margin in RECIPROCITY_EQUIVALENCE.items():
        difference = np.log(observed[:, step // 50]) - np.log(expected[:, step // 50])
        n = len(difference)
        # Two one-sided t-tests at 5 %: the 90 % interval of the mean must lie within ± margin.
        reach = abs(difference.mean()) + _t95(n - 1) * difference.std(ddof=1) / sqrt(n)
        yield Comparison("equivalence", f"log R at step {step}", float(reach), margin)


def _t95(freedom: int) -> float:
    from scipy.stats import t  # slow to import, and only L4 needs it

    return float(t.ppf(0.95, freedom))


def _flaw(observed: np.ndarray, expected: np.ndarray) -> str:
    if observed.shape != expected.shape:
        return f"has shape {observed.shape}, but should have {expected.shape}"
    if not np.isfinite(np.asarray(observed, np.float64)).all():
        return "has values that are not finite"
    return ""


def _concatenate_groups(arrays: Mapping[str, np.ndarray], keys: list[str]) -> Observations:
    """Return all tensors of a group as one, by the group's name."""
    members: dict[str, list[str]] = {}
    for key in keys:
        members.setdefault(_group(key), []).append(key)
    return {
        group: np.concatenate([np.ravel(arrays[key]) for key in keys]) if len(keys) > 1 else arrays[keys[0]]
        for group, keys in members.items()
    }


def _group(key: str) -> str:
    parts = key.split("/")
    return "/".join(parts[: _GROUPS.get(parts[0], len(parts))])


def _weight(key: str) -> str:
    parts = key.split("/")
    return "/".join(parts[min(parts.index(network) for network in "FGEDVXC" if network in parts) :])


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(np.ravel(np.asarray(array, np.float64))))
