"""Adam and averages against their published recurrences in float64."""

import numpy as np
import pytest
from keras import ops

from alae_core.groups import Adam
from alae_core.growth import position
from alae_core.optimizer import adam_step, average_step
from tests.conftest import tiny_config
from tests.tolerances import FLOAT32

pytestmark = pytest.mark.each_backend


# ε is large, so that its position inside or outside the root has an effect.
@pytest.mark.parametrize("beta1", [0.0, 0.5])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-3])
@pytest.mark.parametrize("warmup", [0.0, 0.9])
def test_adam_follows_the_recurrence(beta1, epsilon, warmup):
    adam = Adam(learning_rate=0.01, warmup=warmup, beta1=beta1, beta2=0.99, epsilon=epsilon)
    rng = np.random.default_rng(0)
    expected = value = rng.normal(size=7)
    m = v = found_m = found_v = np.zeros(7)
    for t, scale in enumerate([1, 10, 0.1, -3, 0, 1e-3], start=1):
        gradient = scale * rng.normal(size=7)
        m = beta1 * m + (1 - beta1) * gradient
        v = 0.99 * v + 0.01 * gradient**2
        corrected = 0.01 * (1 - warmup**t) * np.sqrt(1 - 0.99**t) / (1 - beta1**t)
        expected = expected - corrected * m / (np.sqrt(v) + epsilon)
        state = [ops.convert_to_tensor(array, "float32") for array in (value, gradient, found_m, found_v)]
        value, found_m, found_v = map(ops.convert_to_numpy, adam_step(adam, *state, ops.convert_to_tensor(float(t))))
        np.testing.assert_allclose(value, expected, **FLOAT32)
        np.testing.assert_allclose(found_m, m, **FLOAT32)
        np.testing.assert_allclose(found_v, v, **FLOAT32)


def test_averages_decay_by_half_within_the_half_life():
    config = tiny_config(batch_size=100, average_halflife=1000.0)
    average = 1.0
    for _ in range(10):  # 10 batches of 100 images
        average = average_step(position(config, 0).stage.average_decay, average, 0.0)
    np.testing.assert_allclose(average, 0.5, **FLOAT32)
