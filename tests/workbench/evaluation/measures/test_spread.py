"""Effective rank and isotropy against their formulas."""

from math import log

import numpy as np
import pytest

from alae_workbench.evaluation.measures.spread import isotropy, rank, spread_of_encodings
from alae_workbench.evaluation.subject import Subject
from tests.helpers.images import make_data


def test_rank_and_isotropy_in_closed_form():
    """Eigenvalues 1 and 1: rank 2, isotropy 1. Eigenvalues 3 and 1: rank exp(entropy of ¾ and ¼), isotropy √3 / 2."""
    circle = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    assert rank(circle) == pytest.approx(2)
    assert isotropy(circle) == pytest.approx(1)
    ellipse = circle * np.sqrt([3, 1])
    assert rank(ellipse) == pytest.approx(np.exp(-(0.75 * log(0.75) + 0.25 * log(0.25))))
    assert isotropy(ellipse) == pytest.approx(np.sqrt(3) / 2)
    assert rank(circle * [1, 0]) == pytest.approx(1)
    assert isotropy(circle * [1, 0]) == 0


def test_rank_of_encodings_is_the_rank_of_w(model):
    w = model.encode(make_data().held_out.images(np.arange(17)))
    assert spread_of_encodings(Subject(model, make_data()))["rank_encoded"] == pytest.approx(rank(w), rel=1e-4)
