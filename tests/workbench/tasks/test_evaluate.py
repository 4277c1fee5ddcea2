"""Measuring from Python."""

import json

import pytest

import alae_workbench as bench
from alae_core import AlaeError


def test_measures_are_rows_and_recorded_for_compare(run, opened):
    evaluation = bench.evaluate(opened, "similarity", count=20)
    assert [row["measure"] for row in evaluation.rows()] == ["psnr", "ssim"]
    (file,) = (run.path / "evaluations").glob("*-of-20.json")
    assert json.loads(file.read_text("utf-8"))["measures"] == evaluation.measures


def test_measures_are_not_recorded_on_request(run, opened):
    bench.evaluate(opened, ["psnr"], count=10, record=False)
    assert not list((run.path / "evaluations").glob("*-of-10.json"))


def test_an_unknown_measure_is_refused(opened):
    with pytest.raises(AlaeError, match="there is no measure 'psrn'; did you mean 'psnr'"):
        bench.evaluate(opened, "psrn")
