"""Equal seeds train equally on every backend, and every backend continues a checkpoint."""

import numpy as np
import pytest

from tests.across.conftest import BACKENDS
from tests.across.worker import losses
from tests.tolerances import RESUMED_TRAJECTORY, TRAJECTORY

OTHERS = BACKENDS[1:]


def assert_agree(found, expected, tolerance):
    for name, each in expected.items():
        np.testing.assert_allclose(found[name], each, **tolerance, err_msg=name)


def part(trajectory, start, end):
    return {name: each[start:end] for name, each in trajectory.items()}


@pytest.fixture(scope="module")
def straight(on, tmp_path_factory):
    """200 steps on JAX, and the checkpoint after half of them."""
    directory = tmp_path_factory.mktemp("straight")
    return on(["jax"], losses, 200, save=directory)["jax"], directory


@pytest.mark.slow
def test_equal_seeds_agree_for_fifty_steps(on, straight):
    for found in on(OTHERS, losses, 50).values():
        assert_agree(found, part(straight[0], 0, 50), TRAJECTORY)


@pytest.mark.slow
def test_equal_seeds_agree_with_the_updates_of_the_authors(on):
    found = on(BACKENDS, losses, 50, updates="official")
    for backend in OTHERS:
        assert_agree(found[backend], found["jax"], TRAJECTORY)


@pytest.mark.slow
def test_every_backend_continues_a_jax_checkpoint(on, straight):
    expected, checkpoint = straight
    resumed = on(BACKENDS, losses, 100, resume=checkpoint)
    for name, each in expected.items():
        np.testing.assert_array_equal(resumed["jax"][name], each[100:])
    for backend in OTHERS:
        assert_agree(part(resumed[backend], 0, 20), part(expected, 100, 120), TRAJECTORY)
        assert_agree(resumed[backend], part(expected, 100, 200), RESUMED_TRAJECTORY)
