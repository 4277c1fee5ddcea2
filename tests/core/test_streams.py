"""Random streams: the same bits for the same seed, purpose and position, different bits for any other."""

import numpy as np
import pytest

from alae_core import ArgumentError
from alae_core.streams import noise_shapes, require_seed, sample_noise, sample_prior, stream


def test_the_prior_is_standard_normal():
    z = sample_prior(20_000, 10, seed=3)
    assert z.dtype == np.float32
    # 5 standard errors of the mean and of the variance of 200,000 draws
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)


def test_a_stream_is_a_function_of_seed_purpose_and_position():
    first = stream(1, "z/generator", 5).standard_normal(100)
    assert np.array_equal(first, stream(1, "z/generator", 5).standard_normal(100))
    for other in (stream(2, "z/generator", 5), stream(1, "z/reciprocity", 5), stream(1, "z/generator", 6)):
        assert not np.intersect1d(first, other.standard_normal(100)).size


def test_the_bits_are_those_of_the_first_checkpoints():
    # Resuming depends on these bits, so a NumPy version that draws others cannot be supported.
    expected = np.array([0.78652024269104, 0.6933178901672363, -0.666799008846283], np.float32)
    assert np.array_equal(sample_prior(1, 3, seed=7, purpose="z/generator", position=11)[0], expected)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_invalid_seeds_are_refused(seed):
    with pytest.raises(ArgumentError, match=f"--seed is {seed}: it must lie in 0 … ") as caught:
        require_seed(seed, "--seed")
    assert caught.value.argument == "--seed"
    assert require_seed(2**63 - 1) == 2**63 - 1
    stream(2**63 - 1, "z/generator")


def test_noise_has_a_map_for_each_layer():
    shapes = [(1, 4, 4, 1), (3, 4, 4, 1), (3, 8, 8, 1), (3, 8, 8, 1), (3, 16, 16, 1), (3, 16, 16, 1)]
    assert noise_shapes(2, 3) == shapes
    maps = sample_noise(2, 3, seed=1)
    assert [each.shape for each in maps] == shapes
    assert all(np.array_equal(one, other) for one, other in zip(maps, sample_noise(2, 3, seed=1), strict=True))
    numbers = np.concatenate([each.ravel() for seed in range(20) for each in sample_noise(2, 3, seed=seed)])
    assert len(np.unique(numbers)) > 0.999 * numbers.size
    assert abs(numbers.mean()) < 5 / np.sqrt(numbers.size)
