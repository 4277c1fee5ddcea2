"""Random numbers: the same bits for the same question, others for any other."""

import numpy as np

from alae_core.latents import sample_prior, stream


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


def test_the_bits_have_not_changed_since_checkpoints_were_first_written():
    # Resuming depends on these: a NumPy that drew others would have to be refused.
    expected = np.array([0.78652024269104, 0.6933178901672363, -0.666799008846283], np.float32)
    assert np.array_equal(sample_prior(1, 3, seed=7, purpose="z/generator", position=11)[0], expected)
