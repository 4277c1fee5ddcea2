"""Statistics of independent draws from N(0, 1), in standard deviations from their expected values."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from math import sqrt

import numpy as np

#: the mean and variance of xᵏ for x ~ N(0, 1)
_POWERS = {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}
#: the maps of a step by update; a layer's map is (1 or batch, R, R, 1)
Noise = Mapping[str, Sequence[np.ndarray]]


def deviations(steps: Sequence[Noise], other_seed: Sequence[Noise]) -> dict[str, float]:
    """Return statistics of the noise of steps of one shape, by name; `other_seed` is noise of another seed's run."""
    layers = [np.concatenate([np.ravel(map) for map in maps]) for maps in zip(*_maps(steps), strict=True)]
    found = {
        f"{name} of layer {layer}": _of_power(power, x)
        for layer, x in enumerate(layers)
        for name, power in (("mean", 1), ("square", 2))
    }
    whole = np.concatenate(layers)
    found |= {"mean cube": _of_power(3, whole), "mean fourth power": _of_power(4, whole)}
    flat = [{update: _flat(maps) for update, maps in noise.items()} for noise in steps]
    pairs = {
        "neighbouring pixels": (
            pair
            for map in (map for maps in _maps(steps) for map in maps)
            for pair in ((map[:, 1:], map[:, :-1]), (map[:, :, 1:], map[:, :, :-1]))
        ),
        "images": (pair for maps in _maps(steps) for map in maps for pair in pairwise(map)),
        "layers": (pair for maps in _maps(steps) for pair in combinations([np.ravel(map) for map in maps], 2)),
        "updates": (pair for noise in flat for pair in combinations(noise.values(), 2)),
        "steps": ((one[update], next_[update]) for one, next_ in pairwise(flat) for update in one),
        "seeds": (
            (noise[update], _flat(others[update]))
            for noise, others in zip(flat, other_seed, strict=True)
            for update in noise
        ),
    }
    return found | {f"product of two {name}": _of_pairs(arrays) for name, arrays in pairs.items()}


def maps_by_update(maps: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Return maps named UPDATE/LAYER as a list for each update."""
    lists: dict[str, list[np.ndarray]] = {}
    for name, array in maps.items():
        lists.setdefault(name.rpartition("/")[0], []).append(np.asarray(array))
    return lists


def _maps(steps: Sequence[Noise]) -> list[Sequence[np.ndarray]]:
    return [maps for noise in steps for maps in noise.values()]


def _flat(maps: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(map) for map in maps])


def _of_power(power: int, x: np.ndarray) -> float:
    mean, variance = _POWERS[power]
    return float((np.mean(x**power, dtype=np.float64) - mean) * sqrt(x.size / variance))


def _of_pairs(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    # Products of independent numbers have mean 0 and variance 1. The longer of two arrays is cut to the shorter.
    total, count = 0.0, 0
    for one, other in pairs:
        length = min(one.size, other.size)
        total += float(np.dot(np.ravel(one)[:length].astype(np.float64), np.ravel(other)[:length]))
        count += length
    return total / sqrt(count)
