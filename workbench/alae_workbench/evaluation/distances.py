"""How two sets of features differ: Fréchet and kernel distance, precision, recall, density, coverage, copying.

Features are rows, (count, n); the first argument is always the real set. All in float64, in blocks: distances of all
pairs at once would not fit into memory.
"""

from collections.abc import Iterator

import numpy as np

from alae_core.streams import stream

# Rows whose distances to all others are worked out at once.
_BLOCK = 512


def frechet(real: np.ndarray, other: np.ndarray) -> float:
    """‖μ − μ′‖² + tr(C + C′ − 2 (C C′)^½) of the sets' means and covariances (Heusel et al. 2017)."""
    return frechet_of(*_gaussian(real), *_gaussian(other))


def frechet_of(mean: np.ndarray, root: np.ndarray, other_mean: np.ndarray, other_root: np.ndarray) -> float:
    """The Fréchet distance of two Gaussians of means (n,) and of covariances RᵀR, given by roots R (any, n)."""
    # The eigenvalues of C C′ = RᵀR SᵀS are the squares of the singular values of R Sᵀ.
    cross = np.linalg.svd(root @ other_root.T, compute_uv=False).sum()
    found = np.square(mean - other_mean).sum() + np.square(root).sum() + np.square(other_root).sum() - 2 * cross
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


def kernel_distance_of_subsets(real: np.ndarray, other: np.ndarray, subsets: int = 100, size: int = 1000) -> float:
    """The mean `kernel_distance` of random subsets, as KID is reported: of `size` members each, or of all if fewer."""
    size, random = min(size, len(real), len(other)), stream(0, "subsets")

    def drawn(rows: np.ndarray) -> np.ndarray:
        return rows[random.choice(len(rows), size, replace=False)]

    return float(np.mean([kernel_distance(drawn(real), drawn(other)) for _ in range(subsets)]))


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
    """The mean of a set, and a root of its covariance that has no more rows than either has to have."""
    rows = features.astype(np.float64)
    mean, (count, width) = rows.mean(axis=0), rows.shape
    root = (rows - mean) / np.sqrt(count - 1)
    return mean, root if count <= width else np.asarray(np.linalg.qr(root, mode="r"))


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
