"""Distances of samples and reconstructions from real images, recomputed directly."""

import numpy as np
import pytest

from alae_core.images import to_uint8
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.distances import density_coverage, frechet
from alae_workbench.evaluation.evaluate import take_measures
from alae_workbench.evaluation.measures.sample_quality import compare_samples
from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.spaces import RANDOM64
from alae_workbench.evaluation.subject import Subject
from alae_workbench.models.sampling import sample
from tests.helpers.images import PIXELS, make_data
from tests.tolerances import STYLE

FEATURES = RANDOM64.features(Cache())


def test_samples_are_compared_as_bytes_with_as_many_training_images(model):
    values, _ = take_measures(Subject(model, make_data()), ["fd_random64", "coverage_random64"])
    real, generated = FEATURES(PIXELS), FEATURES(to_uint8(sample(model, 40)))
    np.testing.assert_allclose(values["fd_random64"], frechet(real, generated), **STYLE)
    assert values["coverage_random64"] == density_coverage(real, generated)[1]
    limited, _ = take_measures(Subject(model, make_data(), limit=20), ["fd_random64"])
    expected = frechet(real[:20], FEATURES(to_uint8(sample(model, 20))))
    np.testing.assert_allclose(limited["fd_random64"], expected, **STYLE)


def test_reconstructions_are_compared_with_their_originals(model):
    x = make_data().held_out.images(np.arange(17))
    expected = frechet(FEATURES(x), FEATURES(to_uint8(model.reconstruct(x))))
    values, _ = take_measures(Subject(model, make_data()), ["fd_random64_reconstructions"])
    np.testing.assert_allclose(values["fd_random64_reconstructions"], expected, **STYLE)


def test_too_few_images_are_refused(model):
    with pytest.raises(
        UnmeasurableError, match="there are 4 training images to compare with, but at least 6 are needed"
    ):
        compare_samples(Subject(model, make_data(count=4)), "random64")


def test_features_of_other_weights_are_cached_separately(model, tmp_path):
    subject = Subject(model, make_data(), cache=Cache(tmp_path))
    first = take_measures(subject, ["fd_random64"]).values
    assert len(list(tmp_path.iterdir())) == 3, "training images, held-out images, samples"
    assert take_measures(subject, ["fd_random64"]).values == first
    weights = model.weights()
    model.set_weights({name: 1.5 * array for name, array in weights.items()})
    assert take_measures(subject, ["fd_random64"]).values != first
    assert len(list(tmp_path.iterdir())) == 4
