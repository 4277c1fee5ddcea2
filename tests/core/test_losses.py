"""Losses against closed forms and a float64 NumPy reference."""

import numpy as np
import pytest
from keras import ops

from alae_core.losses import (
    discriminator_loss,
    divergence_from_prior,
    generator_loss,
    gradient_penalty,
    objective_of,
    squared_distance,
)
from alae_core.objectives import OBJECTIVES
from tests.conftest import tiny_config
from tests.tolerances import FLOAT32

pytestmark = pytest.mark.each_backend

REAL = np.array([-6.0, -1.5, 0.0, 0.3, 5.0])
FAKE = np.array([4.0, 0.9, -0.2, -3.0, 1.0])


def softplus(t):
    return np.logaddexp(0, t)


REFERENCE = {
    "logistic": (softplus(-REAL).mean() + softplus(FAKE).mean(), softplus(-FAKE).mean()),
    "wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    # of pairs: the i-th real image with the i-th generated one
    "relativistic": (softplus(FAKE - REAL).mean(), softplus(REAL - FAKE).mean()),
    "hinge": (np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(), -FAKE.mean()),
}


def tensor(array):
    return ops.convert_to_tensor(array, "float32")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_adversarial_losses_match_numpy(name):
    discriminator, generator = REFERENCE[name]
    objective = objective_of(tiny_config(objective=name))
    found = ops.convert_to_numpy(discriminator_loss(objective, tensor(REAL), tensor(FAKE)))
    np.testing.assert_allclose(found, discriminator, **FLOAT32)
    found = ops.convert_to_numpy(generator_loss(objective, tensor(FAKE), tensor(REAL)))
    np.testing.assert_allclose(found, generator, **FLOAT32)
    if objective.fake is not None:
        np.testing.assert_array_equal(ops.convert_to_numpy(generator_loss(objective, tensor(FAKE), None)), found)


def test_an_objective_of_pairs_ignores_a_common_offset():
    objective, offset = objective_of(tiny_config(objective="relativistic")), 3.0
    for loss in (discriminator_loss, generator_loss):
        plain, moved = (
            ops.convert_to_numpy(loss(objective, tensor(REAL + by), tensor(FAKE + by))) for by in (0, offset)
        )
        np.testing.assert_allclose(moved, plain, **FLOAT32)


def test_losses_of_zero_logits_are_multiples_of_ln_2():
    zeros = tensor(np.zeros(4))
    logistic = objective_of(tiny_config(objective="logistic"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(discriminator_loss(logistic, zeros, zeros)), 2 * np.log(2), **FLOAT32
    )
    np.testing.assert_allclose(ops.convert_to_numpy(generator_loss(logistic, zeros, None)), np.log(2), **FLOAT32)
    relativistic = objective_of(tiny_config(objective="relativistic"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(discriminator_loss(relativistic, zeros, zeros)), np.log(2), **FLOAT32
    )
    np.testing.assert_allclose(ops.convert_to_numpy(generator_loss(relativistic, zeros, zeros)), np.log(2), **FLOAT32)


@pytest.mark.parametrize("logit", [-100.0, 100.0])
def test_logistic_losses_do_not_overflow(logit):
    found = ops.convert_to_numpy(generator_loss(objective_of(tiny_config(objective="logistic")), tensor([logit]), None))
    np.testing.assert_allclose(found, softplus(-logit), **FLOAT32)
    pairs = objective_of(tiny_config(objective="relativistic"))
    found = ops.convert_to_numpy(discriminator_loss(pairs, tensor([logit]), tensor([0.0])))
    np.testing.assert_allclose(found, softplus(-logit), **FLOAT32)


def test_a_gradient_penalty_sums_over_pixels_and_averages_over_images():
    gradient = np.random.default_rng(0).normal(size=(6, 4, 3, 2))
    expected = 10 / 2 * np.mean([np.sum(image**2) for image in gradient])
    for gamma in (10.0, tensor(10.0)):
        np.testing.assert_allclose(ops.convert_to_numpy(gradient_penalty(tensor(gradient), gamma)), expected, **FLOAT32)


@pytest.mark.parametrize("mean", [False, True])
def test_squared_distance_sums_or_averages_over_w_and_averages_over_the_batch(mean):
    rng = np.random.default_rng(1)
    target, estimate = rng.normal(size=(6, 7)), rng.normal(size=(6, 7))
    expected = np.square(target - estimate).sum() / (6 * 7 if mean else 6)
    found = ops.convert_to_numpy(squared_distance(tensor(target), tensor(estimate), mean=mean))
    np.testing.assert_allclose(found, expected, **FLOAT32)


def test_a_perfect_loop_has_zero_loss():
    w = tensor(np.random.default_rng(2).normal(size=(5, 3)))
    assert ops.convert_to_numpy(squared_distance(w, w, mean=False)) == 0


def test_the_divergence_from_the_prior_has_its_closed_form():
    """½ (μ² + σ² − ln σ² − 1) per number: 0 at the prior, ½ (7 − ln 4) for μ = 2 and σ² = 4."""
    mean, log_variance = np.zeros((2, 3)), np.zeros((2, 3))
    assert float(divergence_from_prior(tensor(mean), tensor(log_variance))) == 0
    mean[0, 1], log_variance[0, 1] = 2, np.log(4)
    found = float(divergence_from_prior(tensor(mean), tensor(log_variance)))
    np.testing.assert_allclose(found, (7 - np.log(4)) / 2 / 2, **FLOAT32)
