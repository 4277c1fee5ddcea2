"""Distances of two sets of features: Fréchet and kernel distance, precision, recall, density, coverage, copying.

Features are rows (count, n); the first argument is the real set. Computed in float64 and in blocks of rows, because the
distances of all pairs do not fit in memory.
"""

from collections.abc import Iterator

import numpy as np

from alae_core.streams import stream

# Rows per block.
_BLOCK = 512


def frechet(real: np.ndarray, other: np.ndarray) -> float:
    """Return ‖μ − μ′‖² + tr(C + C′ − 2 (C C′)^½) of the sets' means and covariances (Heusel et al. 2017)."""
    return frechet_of_gaussians(*_fit_gaussian(real), *_fit_gaussian(other))


def frechet_of_gaussians(mean: np.ndarray, root: np.ndarray, other_mean: np.ndarray, other_root: np.ndarray) -> float:
    """Return the Fréchet distance of Gaussians with means (n,) and covariances RᵀR, given by their roots R (any, n)."""
    # The eigenvalues of C C′ = RᵀR SᵀS are the squares of the singular values of R Sᵀ.
    cross = np.linalg.svd(root @ other_root.T, compute_uv=False).sum()
    distance = np.square(mean - other_mean).sum() + np.square(root).sum() + np.square(other_root).sum() - 2 * cross
    return float(max(distance, 0.0))


def kernel_distance(real: np.ndarray, other: np.ndarray) -> float:
    """Return the unbiased squared maximum mean discrepancy of the kernel (x·y / n + 1)³ (Bińkowski et al. 2018).

    Its mean for two sets of the same distribution is 0, so values below 0 occur.
    """
    x, y = real.astype(np.float64), other.astype(np.float64)

    def total(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float((a[part] @ b.T / a.shape[1] + 1).__pow__(3).sum()) for part in _split_into_blocks(len(a)))

    def within(a: np.ndarray) -> float:
        own = ((np.square(a).sum(axis=1) / a.shape[1] + 1) ** 3).sum()
        return float((total(a, a) - own) / (len(a) * (len(a) - 1)))

    return within(x) + within(y) - 2 * total(x, y) / (len(x) * len(y))


def kernel_distance_of_subsets(real: np.ndarray, other: np.ndarray, subsets: int = 100, size: int = 1000) -> float:
    """Return the mean `kernel_distance` of random subsets of `size` rows, or of all rows if there are fewer (KID)."""
    size, random = min(size, len(real), len(other)), stream(0, "subsets")

    def draw(rows: np.ndarray) -> np.ndarray:
        return rows[random.choice(len(rows), size, replace=False)]

    return float(np.mean([kernel_distance(draw(real), draw(other)) for _ in range(subsets)]))


def precision_recall(real: np.ndarray, other: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Return the share of the other set inside the real set's balls, and of the real set inside the other set's balls.

    Each row has a ball that reaches to its k-th nearest row of the same set (Kynkäänniemi et al. 2019).
    """
    real_radii, other_radii = _squared_radii(real, k), _squared_radii(other, k)
    inside_real = np.concatenate([(block <= real_radii).any(axis=1) for block in _squared_distances(other, real)])
    inside_other = np.concatenate([(block <= other_radii).any(axis=1) for block in _squared_distances(real, other)])
    return float(inside_real.mean()), float(inside_other.mean())


def density_coverage(real: np.ndarray, other: np.ndarray, k: int = 5) -> tuple[float, float]:
    """Return (density, coverage) with the balls of `precision_recall` (Naeem et al. 2020, equations 2 and 3).

    Density is the mean number of real balls that contain a row of the other set, over k. Coverage is the share of real
    balls that contain such a row. Both are about 1 for two sets of the same distribution; density can be larger.
    """
    radii = _squared_radii(real, k)
    inside, covered = 0, np.zeros(len(real), bool)
    for block in _squared_distances(other, real):
        hits = block <= radii
        inside += int(hits.sum())
        covered |= hits.any(axis=0)
    return inside / (k * len(other)), float(covered.mean())


def copied_share(train: np.ndarray, other: np.ndarray, held_out: np.ndarray) -> float:
    """Return the probability that a row of the other set is closer to the training set than a held-out row is.

    ½ for a set of the same distribution, 1 for copies of training images (after Meehan et al. 2020).
    """
    expected, distances = np.sort(_nearest_squares(held_out, train)), _nearest_squares(other, train)
    below, up_to = (np.searchsorted(expected, distances, side) for side in ("left", "right"))
    return float(1 - ((below + up_to) / 2).mean() / len(expected))


def _fit_gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (n,) of rows and a root R (min(count, n), n) of their covariance RᵀR."""
    rows = features.astype(np.float64)
    mean, (count, width) = rows.mean(axis=0), rows.shape
    root = (rows - mean) / np.sqrt(count - 1)
    return mean, root if count <= width else np.asarray(np.linalg.qr(root, mode="r"))


def _squared_radii(features: np.ndarray, k: int) -> np.ndarray:
    """Return the squared distance of each row to its k-th nearest other row, (count,)."""
    # The nearest row is the row itself.
    return np.concatenate([np.partition(block, k, axis=1)[:, k] for block in _squared_distances(features, features)])


def _nearest_squares(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the squared distance of each row to its nearest row of another set, (count,)."""
    return np.concatenate([block.min(axis=1) for block in _squared_distances(features, others)])


def _squared_distances(rows: np.ndarray, columns: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the squared distances of rows to columns, (block, columns), in blocks of rows."""
    rows, columns = rows.astype(np.float64), columns.astype(np.float64)
    # Subtract the mean, because large common parts would cost precision.
    centre = columns.mean(axis=0)
    rows, columns = rows - centre, columns - centre
    norms = np.square(columns).sum(axis=1)
    for part in _split_into_blocks(len(rows)):
        row_norms = np.square(rows[part]).sum(axis=1)[:, None]
        yield np.maximum(row_norms + norms - 2 * rows[part] @ columns.T, 0)


def _split_into_blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))
