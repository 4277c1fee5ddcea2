"""Round trips of w, with and without an edit, against a direct computation."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.evaluation.measures.consistency import measure_consistency
from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_config
from tests.helpers.images import make_data
from tests.tolerances import FLOAT32


def test_round_trips_equal_a_direct_computation_and_are_0_if_the_loop_is_closed(model):
    x = make_data().held_out.images(np.arange(17))
    w = model.encode(x).astype(np.float64)
    values = measure_consistency(Subject(model, make_data()))
    total = w.var(0).sum()
    expected = np.square(w - model.reencode(w.astype(np.float32))).sum(1).mean() / total
    np.testing.assert_allclose(values["round_trip"], expected, **FLOAT32)
    variances, vectors = np.linalg.eigh(np.cov(w, rowvar=False))
    errors = []
    for k in (-1, -2, -3):
        for sign in (1, -1):
            edit = sign * 2 * np.sqrt(variances[k]) * vectors[:, k]
            errors.append(np.square(w - (model.reencode((w + edit).astype(np.float32)) - edit)).sum(1).mean() / total)
    np.testing.assert_allclose(values["edit_round_trip"], np.mean(errors), rtol=1e-3)
    model.reencode = lambda w, *args, **options: w
    closed = measure_consistency(Subject(model, make_data()))
    assert closed == pytest.approx({"round_trip": 0, "edit_round_trip": 0}, abs=1e-9)


def test_consistency_of_w_is_undefined_if_e_estimates_z(backend):
    model = alae.build(tiny_config(reciprocity="z", networks__z=6, networks__w=6))
    with pytest.raises(UnmeasurableError, match="E estimates z here"):
        measure_consistency(Subject(model, make_data()))
