"""From what a subject did and what it should have done to error over limit, check by check."""

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

#: what an experiment saw: arrays named "check/what it is of"
Observations = dict[str, np.ndarray]


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
        """error / limit; an exact comparison that holds has 0, one that fails infinity."""
        return self.error / self.limit if self.limit else (inf if self.error else 0.0)

    @property
    def passed(self) -> bool:
        """Whether the error is within its limit; NaN is not."""
        return self.error <= self.limit


def judge(
    found: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    tolerance: Tolerance | None,
    weight_norms: Mapping[str, float],
) -> list[Comparison]:
    """Compare every observation; one that is missing, or that should not be there, fails.

    Args:
        found, expected: by the same names.
        tolerance: None where everything must be equal.
        weight_norms: the norm of each weight, by its name: what displacements are rounded at.
    """
    comparisons = []
    for key in sorted(found.keys() ^ expected.keys()):
        check, quantity = key.split("/", 1)
        comparisons.append(
            Comparison(check, quantity, inf, 0.0, "missing" if key in expected else "should not be there")
        )
    common = sorted(found.keys() & expected.keys())
    if tolerance and tolerance.whole:
        found, expected, common = *_whole(found, expected, common), sorted({_group(key) for key in common})
    groups: dict[str, float] = {}
    for key in (key for key in common if expected[key].dtype.kind == "f"):
        groups[_group(key)] = sqrt(groups.get(_group(key), 0.0) ** 2 + _norm(expected[key]) ** 2)
    for key in common:
        check, quantity = key.split("/", 1)
        if check == "reciprocity":
            comparisons += list(_statistics(found[key], expected[key]))
        elif check == "noise":
            # Each device draws its own: what the reference's own are like says nothing of them.
            comparisons.append(Comparison(check, quantity, float(np.abs(found[key])), NOISE_DEVIATIONS))
        elif tolerance is None or expected[key].dtype.kind in "iubU":
            comparisons.append(_exact(check, quantity, found[key], expected[key]))
        elif check in _MOVES and not expected[key].any():
            comparisons.append(_exact("untouched", key, found[key], expected[key]))
        else:
            by_weight = check in ("displacement", "averages") and not tolerance.whole
            scale = weight_norms[_weight(key)] if by_weight else groups[_group(key)]
            comparisons.append(_close(check, quantity, found[key], expected[key], tolerance, scale))
    return comparisons


#: what an update that does not train a network must leave as it was, to the last bit
_MOVES = ("displacement", "moments")
#: how many parts of a name say which tensors were computed together
_GROUPS = {"gradients": 2, "displacement": 2, "averages": 2, "moments": 4}


def _close(
    check: str, quantity: str, found: np.ndarray, expected: np.ndarray, tolerance: Tolerance, scale: float
) -> Comparison:
    flaw = _flaw(found, expected)
    if flaw:
        return Comparison(check, quantity, inf, 0.0, flaw)
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if check == "trajectory":
        # Each step's loss by itself: the first differ least, and are the largest.
        errors, limits = np.abs(found - expected), tolerance.relative * np.abs(expected) + tolerance.floor
        worst = int(np.argmax(errors / limits))
        return Comparison(check, f"{quantity} at step {worst + 1}", float(errors[worst]), float(limits[worst]))
    if check in ("forward", "input_gradient", "losses"):
        scale = sqrt(expected.size)
    limit = tolerance.relative * _norm(expected) + tolerance.floor * scale + UNDERFLOW
    return Comparison(check, quantity, _norm(found - expected), limit)


def _exact(check: str, quantity: str, found: np.ndarray, expected: np.ndarray) -> Comparison:
    if found.dtype.kind == "U":
        # Names: of all that there is, or of what differs, where the number is frozen and none should.
        wanted = set(expected.tolist()) if expected.dtype.kind == "U" else set()
        names = sorted(set(found.tolist()) ^ wanted)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        word = "missing or unknown" if wanted else "differing"
        note = f"{word}: {', '.join(names[:3])}{more}" if names else ""
        return Comparison(check, quantity, float(len(names)), 0.0, note)
    if found.shape == expected.shape:
        different = int(np.sum(np.asarray(found != expected)))
        note = f"{different} differ" if expected.ndim else f"is {found}, but should be {expected}"
        return Comparison(check, quantity, float(different), 0.0, note if different else "")
    return Comparison(check, quantity, inf, 0.0, _flaw(found, expected))


def _statistics(found: np.ndarray, expected: np.ndarray) -> Iterator[Comparison]:
    """`found` and `expected` are R of shape (seeds, 1 + steps/50), the first column before any training."""
    if _flaw(found, expected) or not (found > 0).all():
        for check in ("ratio", "equivalence"):
            yield Comparison(check, "R", inf, 0.0, _flaw(found, expected) or "an error of zero or less")
        return
    worst_allowed = np.sort(found[:, -1] / found[:, 0])[-1 - RECIPROCITY_EXCEPTIONS]
    yield Comparison("ratio", "R400 / R0", float(worst_allowed), RECIPROCITY_RATIO)
    for step, margin in RECIPROCITY_EQUIVALENCE.items():
        difference = np.log(found[:, step // 50]) - np.log(expected[:, step // 50])
        n = len(difference)
        # Two one-sided t-tests at 5 %: the 90 % interval of the mean must lie within ± margin.
        reach = abs(difference.mean()) + _t95(n - 1) * difference.std(ddof=1) / sqrt(n)
        yield Comparison("equivalence", f"log R at step {step}", float(reach), margin)


def _t95(freedom: int) -> float:
    from scipy.stats import t  # slow to import, and only L4 needs it

    return float(t.ppf(0.95, freedom))


def _flaw(found: np.ndarray, expected: np.ndarray) -> str:
    if found.shape != expected.shape:
        return f"has shape {found.shape}, but should have {expected.shape}"
    if not np.isfinite(np.asarray(found, np.float64)).all():
        return "has values that are not finite"
    return ""


def _whole(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], keys: list[str]
) -> tuple[Observations, Observations]:
    """All tensors of a group as one."""
    members: dict[str, list[str]] = {}
    for key in keys:
        members.setdefault(_group(key), []).append(key)
    return tuple(  # type: ignore[return-value]
        {
            group: np.concatenate([np.ravel(arrays[key]) for key in keys]) if len(keys) > 1 else arrays[keys[0]]
            for group, keys in members.items()
        }
        for arrays in (found, expected)
    )


def _group(key: str) -> str:
    parts = key.split("/")
    return "/".join(parts[: _GROUPS.get(parts[0], len(parts))])


def _weight(key: str) -> str:
    parts = key.split("/")
    return "/".join(parts[min(parts.index(network) for network in "FGEDVXC" if network in parts) :])


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(np.ravel(np.asarray(array, np.float64))))
