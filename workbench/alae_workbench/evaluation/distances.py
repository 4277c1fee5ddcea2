"""How two sets of features differ: Fréchet and kernel distance, precision, recall, density, coverage, copying.

Features are rows, (count, n); the first argument is always the real set. All in float64, in blocks: distances of all
pairs at once would not fit into memory.
"""

from collections.abc import Iterator

import numpy as np

# Rows whose distances to all others are worked out at once.
_BLOCK = 512


def frechet(real: np.ndarray, other: np.ndarray) -> float:
    """‖μ − μ′‖² + tr(C + C′ − 2 (C C′)^½) of the sets' means and covariances (Heusel et al. 2017)."""
    return frechet_of(*_gaussian(real), *_gaussian(other))


def frechet_of(mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other: np.ndarray) -> float:
    """The Fréchet distance of two Gaussians of means (n,) and covariances (n, n)."""
    # The root's trace by eigenvalues of C^½ C′ C^½, which is symmetric.
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    found = np.square(mean - other_mean).sum() + np.trace(covariance) + np.trace(other) - 2 * cross
    return float(max(found, 0.0))


def kernel_distance(real: np.ndarray, other: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy of the kernel (x·y / n + 1)³ (Bińkowski et al. 2018).

    0 on average for two sets of one distribution, so also below it.
    """
    x, y = real.astype(np.float64), other.astype(np.float64)

    def total(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float((a[part] @ b.T / a.shape[1] + 1).__pow__(3).sum()) for part in _blocks(len(a)))

    def within(a: np.ndarray) -> float:
        own = ((np.square(a).sum(axis=1) / a.shape[1] + 1) ** 3).sum()
        return float((total(a, a) - own) / (len(a) * (len(a) - 1)))

    return within(x) + within(y) - 2 * total(x, y) / (len(x) * len(y))


def precision_recall(real: np.ndarray, other: np.ndarray, k: int = 3) -> tuple[float, float]:
    """How much of the other set lies within the real one's reach, and of the real within the other's.

    A set's reach is balls about its members that touch the k-th nearest other member (Kynkäänniemi et al. 2019).
    """
    real_reach, other_reach = _reach(real, k), _reach(other, k)
    precise = np.concatenate([(block <= real_reach).any(axis=1) for block in _squares(other, real)])
    recalled = np.concatenate([(block <= other_reach).any(axis=1) for block in _squares(real, other)])
    return float(precise.mean()), float(recalled.mean())


def density_coverage(real: np.ndarray, other: np.ndarray, k: int = 5) -> tuple[float, float]:
    """How many real balls a member of the other set lies in, over k, and the share of real balls that have one.

    Both are about 1 for two sets of one distribution; density may be more (Naeem et al. 2020, equations 2 and 3).
    """
    reach = _reach(real, k)
    inside, covered = 0, np.zeros(len(real), bool)
    for block in _squares(other, real):
        hits = block <= reach
        inside += int(hits.sum())
        covered |= hits.any(axis=0)
    return inside / (k * len(other)), float(covered.mean())


def copied(train: np.ndarray, other: np.ndarray, held_out: np.ndarray) -> float:
    """How often a member of the other set is nearer to its nearest training image than a held-out image is to its own.

    ½ for a set of the same distribution, 1 for copies of training images (after Meehan et al. 2020).
    """
    own, others = _nearest(held_out, train), _nearest(other, train)
    order = np.sort(own)
    below, upto = (np.searchsorted(order, others, side) for side in ("left", "right"))
    return float(1 - ((below + upto) / 2).mean() / len(own))


def _gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = features.astype(np.float64)
    return rows.mean(axis=0), np.cov(rows, rowvar=False).reshape(rows.shape[1], -1)


def _reach(features: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each member to its k-th nearest other one, (count,)."""
    # Each is nearest to itself.
    return np.concatenate([np.partition(block, k, axis=1)[:, k] for block in _squares(features, features)])


def _nearest(features: np.ndarray, among: np.ndarray) -> np.ndarray:
    return np.concatenate([block.min(axis=1) for block in _squares(features, among)])


def _squares(rows: np.ndarray, columns: np.ndarray) -> Iterator[np.ndarray]:
    """Squared distances of rows to columns, in blocks of rows."""
    rows, columns = rows.astype(np.float64), columns.astype(np.float64)
    # About the mean, lest large equal parts take the digits.
    centre = columns.mean(axis=0)
    rows, columns = rows - centre, columns - centre
    norms = np.square(columns).sum(axis=1)
    for part in _blocks(len(rows)):
        own = np.square(rows[part]).sum(axis=1)[:, None]
        yield np.maximum(own + norms - 2 * rows[part] @ columns.T, 0)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))
