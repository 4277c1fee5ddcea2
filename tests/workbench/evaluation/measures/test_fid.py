"""FID and related measures: they use the number of samples in their name, and the training images."""

import numpy as np
import pytest

from alae_core.images import to_uint8
from alae_workbench.data.memory import Arrays
from alae_workbench.data.source import DataSet
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.distances import frechet, precision_recall
from alae_workbench.evaluation.measures import fid as measure
from alae_workbench.evaluation.registry import SPACES, UnmeasurableError
from alae_workbench.evaluation.spaces import RANDOM64
from alae_workbench.evaluation.subject import Subject
from alae_workbench.models.sampling import sample
from tests.helpers.images import PIXELS
from tests.tolerances import STYLE


def test_the_number_of_samples_is_the_one_in_the_name(model, monkeypatch):
    """Use 50 samples instead of 50,000, and another feature space."""
    monkeypatch.setattr(measure, "FID_SAMPLES", 50)
    monkeypatch.setitem(SPACES, "inception_clean", SPACES["random64"])
    data, features = DataSet(Arrays(PIXELS), Arrays(PIXELS[:7].copy())), RANDOM64.features(Cache())
    real, generated = features(PIXELS), features(to_uint8(sample(model, 50)))
    np.testing.assert_allclose(measure.fid(Subject(model, data), "clean"), frechet(real, generated), **STYLE)
    both = measure.precision_and_recall(Subject(model, data, limit=60), "clean")
    precision, recall = precision_recall(real, generated)
    assert both == {"precision50k_clean": precision, "recall50k_clean": recall}
    with pytest.raises(
        UnmeasurableError, match=r"its name promises 50 samples, not 49: omit --count, or measure fd_inception_clean"
    ):
        measure.kid(Subject(model, data, limit=49), "clean")
