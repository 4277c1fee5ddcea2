"""Taking measures: shared computations, reasons for missing values, and values that JSON can represent."""

import json

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.evaluation.evaluate import take_due, take_measures
from alae_workbench.evaluation.registry import MEASURES, Measure, default_measures
from alae_workbench.evaluation.subject import Subject
from tests.conftest import tiny_config
from tests.helpers.images import make_data


def test_measures_with_the_same_function_are_computed_in_one_call(model, monkeypatch):
    calls = []
    monkeypatch.setattr(type(model), "reconstruct", lambda self, x, *a, **k: calls.append(len(x)) or np.asarray(x) * 0)
    take_measures(Subject(model, make_data()), ["psnr", "ssim"])
    assert calls == [17]


def test_missing_values_have_a_reason(backend):
    model = alae.build(tiny_config(algorithm="autoencoder"))
    values, refused = take_measures(Subject(model, make_data(None)), ["nn_w", "rank_mapped", "psnr"])
    assert set(values) == {"psnr"}
    assert refused == {
        "nn_w": "the images have no labels: give class folders, a .csv file "
        "beside the images, or an .npz file with labels",
        "rank_mapped": "the algorithm autoencoder has no network F",
    }


def test_a_subject_without_images_has_measures_of_samples_only(model):
    values, refused = take_measures(Subject(model), ["rank_mapped", "psnr"])
    assert set(values) == {"rank_mapped"}
    assert refused == {"psnr": "it needs images, and none were given"}


def test_only_requested_measures_are_refused_on_images_of_others(model):
    subject = Subject(model, make_data(), own=False)
    values, refused = take_measures(subject, ["fd_random64"])
    assert (values.keys(), refused) == ({"fd_random64"}, {})
    values, refused = take_measures(subject, ["fd_random64", "copied_random64"])
    assert (values.keys(), refused.keys()) == ({"fd_random64"}, {"copied_random64"})


def test_all_default_measures_are_finite_json_numbers(model):
    values, _ = take_measures(Subject(model, make_data()), default_measures())
    assert json.loads(json.dumps(values)) == values
    assert all(np.isfinite(value) for value in values.values())


def brightness(subject):
    """A measure of samples, as a user could write it."""
    model = subject.model
    return float(model.generate(model.map(model.sample_prior(subject.limit)), subject.view).mean())


def test_a_program_can_add_a_measure_as_a_row(model, monkeypatch):
    row = Measure("brightness", "own", "brightness of samples", "", "FG", "report", f"{__name__}:brightness")
    monkeypatch.setitem(MEASURES, "brightness", row)
    values = take_due(Subject(model, make_data()), "report")
    assert values.keys() == {"reciprocity_error", "brightness"}
    assert values["brightness"] == pytest.approx(brightness(Subject(model, limit=256)))
