"""Distances of sets of features in closed form."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from alae_workbench.evaluation.distances import (
    copied_share,
    density_coverage,
    frechet,
    frechet_of_gaussians,
    kernel_distance,
    kernel_distance_of_subsets,
    precision_recall,
)

RANDOM = np.random.default_rng(0)
CLOUD = RANDOM.normal(size=(600, 5))


def test_gaussians_of_equal_covariance_differ_by_the_squared_distance_of_their_means():
    mean, root = np.arange(4.0), np.diag([1.0, 2.0, 3.0, 4.0]) + 0.3
    assert frechet_of_gaussians(mean, root, mean + np.array([3, 0, 4, 0]), root) == pytest.approx(25)


def test_round_gaussians_in_closed_form():
    """The distance is n (σ − σ′)²."""
    zero = np.zeros(6)
    assert frechet_of_gaussians(zero, 2.0 * np.eye(6), zero, 3.0 * np.eye(6)) == pytest.approx(6)


def test_gaussians_with_different_axes_agree_with_a_matrix_root():
    a, b = (RANDOM.normal(size=(5, 5)) for _ in range(2))
    c, d = a.T @ a, b.T @ b
    expected = np.trace(c + d - 2 * np.real(sqrtm(c @ d)))
    assert frechet_of_gaussians(np.zeros(5), a, np.zeros(5), b) == pytest.approx(expected, rel=1e-6)


def test_covariances_without_full_rank_have_a_distance():
    flat = np.diag([1.0, 0.0, 0.0])
    assert frechet_of_gaussians(np.zeros(3), flat, np.zeros(3), np.diag([0.0, 2.0, 0.0])) == pytest.approx(5)


@pytest.mark.parametrize(("count", "other"), [(4, 3), (4, 40), (40, 30)])
def test_sets_of_fewer_rows_than_features_are_compared_by_their_covariances(count, other):
    """tr((C C′)^½) is the sum of the roots of the eigenvalues of C C′."""
    random = np.random.default_rng(1)
    x, y = random.normal(size=(count, 8)), random.normal(size=(other, 8)) * np.arange(1, 9) + 1
    c, d = (np.cov(rows, rowvar=False) for rows in (x, y))
    roots = np.sqrt(np.maximum(np.real(np.linalg.eigvals(c @ d)), 0))
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(c + d) - 2 * roots.sum()
    assert frechet(x, y) == pytest.approx(expected, rel=1e-5)


def test_the_order_of_rows_does_not_matter():
    other = CLOUD[RANDOM.permutation(600)]
    assert frechet(CLOUD, other) == pytest.approx(0, abs=1e-9)
    assert precision_recall(CLOUD, other) == (1, 1)
    density, coverage = density_coverage(CLOUD, other)
    assert coverage == 1
    assert density == pytest.approx(1, abs=0.35)


def test_the_frechet_distance_of_a_shift_is_its_squared_length():
    assert frechet(CLOUD, CLOUD + np.array([2, 0, 0, 1, 0])) == pytest.approx(5, rel=1e-9)


def test_the_kernel_distance_is_unbiased_and_agrees_with_its_formula():
    first, second = RANDOM.normal(size=(700, 4)), RANDOM.normal(size=(500, 4))
    assert abs(kernel_distance(first, second)) < 0.05

    def kernel(a, b):
        return (a @ b.T / 4 + 1) ** 3

    def others(a):
        gram = kernel(a, a)
        return (gram.sum() - np.trace(gram)) / (len(a) * (len(a) - 1))

    expected = others(first) + others(second + 1) - 2 * kernel(first, second + 1).mean()
    assert kernel_distance(first, second + 1) == pytest.approx(expected, rel=1e-9)
    assert expected > 1


def test_precision_and_recall_of_clusters():
    """Half of the other set is far away; then the other set covers one of two real clusters."""
    near, far = RANDOM.normal(size=(300, 3)), RANDOM.normal(size=(300, 3)) + 100
    assert precision_recall(near, np.concatenate([near[:150], far[:150]])) == pytest.approx((0.5, 1.0), abs=0.03)
    precision, recall = precision_recall(np.concatenate([near, far]), near)
    assert (precision, recall) == pytest.approx((1.0, 0.5), abs=0.01)
    density, coverage = density_coverage(np.concatenate([near, far]), near)
    assert coverage == pytest.approx(0.5, abs=0.01)
    assert density_coverage(near, far) == (0, 0)
    assert density > 0.9


def test_neighbours_on_a_line():
    """Real balls for k = 1: [−1, 1], [0, 2], [1, 5], [3, 11]. 0.5 lies in two of them, 6 in one, 20 in none."""
    real, other = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.5], [6.0], [20.0]])
    density, coverage = density_coverage(real, other, k=1)
    assert (density, coverage) == pytest.approx((3 / 3, 3 / 4))
    # The other set's balls have radius 5.5 about 0.5 and 6, and 14 about 20.
    assert precision_recall(real, other, k=1) == pytest.approx((2 / 3, 1.0))


def test_distances_do_not_depend_on_the_block_size(monkeypatch):
    other = RANDOM.normal(size=(400, 5)) + 0.3
    distances = frechet(CLOUD, other), kernel_distance(CLOUD, other), precision_recall(CLOUD, other)
    monkeypatch.setattr("alae_workbench.evaluation.distances._BLOCK", 37)
    again = frechet(CLOUD, other), kernel_distance(CLOUD, other), precision_recall(CLOUD, other)
    np.testing.assert_allclose(np.hstack(distances), np.hstack(again), rtol=1e-12)


def test_copied_share_distinguishes_copies_from_samples_of_the_same_distribution():
    train, held_out, fresh = RANDOM.normal(size=(3, 500, 5))
    assert copied_share(train, fresh, held_out) == pytest.approx(0.5, abs=0.06)
    assert copied_share(train, train[:200], held_out) == 1
    assert copied_share(train, train[:200] + 1e-3, held_out) > 0.99
    assert copied_share(train, held_out, held_out) == 0.5
    assert copied_share(train, fresh + 50, held_out) == 0


def test_kernel_distance_of_subsets_is_their_mean():
    """Subsets of all rows have the distance of the whole; small subsets have it on average."""
    x, y = CLOUD[:200], CLOUD[200:400] + 0.3
    whole = kernel_distance(x, y)
    assert kernel_distance_of_subsets(x, y, subsets=2, size=1000) == pytest.approx(whole, rel=1e-9)
    several = [kernel_distance_of_subsets(x, y, subsets=n, size=50) for n in (300, 300)]
    assert several[0] == several[1]
    assert several[0] == pytest.approx(whole, rel=0.1)
