"""Comparing runs from Python."""

import pytest

import alae_workbench as bench
from alae_core import AlaeError
from alae_workbench.tasks.compare import Comparison


def test_a_comparison_has_a_row_for_each_measure_and_a_column_for_each_run():
    measures = {"a": {"psnr": 9.0, "rank_mapped": 1.0}, "b": {"psnr": 8.0, "reconstruction_error": 0.5}}
    comparison = Comparison(measures, {"a": "8×8", "b": "8×8"}, {"a": {"held_out": 4}, "b": {}})
    error, psnr, rank = comparison.rows()
    assert (error["measure"], error["a"], error["b"]) == ("reconstruction_error", None, 0.5)
    assert (psnr["better"], psnr["a"], psnr["b"]) == ("higher", 9.0, 8.0)
    assert comparison.find_best("psnr") == 9.0
    assert comparison.find_best("reconstruction_error") is None, "only one run has it"
    assert rank["measure"] == "rank_mapped"
    assert comparison.find_best("rank_mapped") is None, "models cannot be ranked by it"
    assert "9.0000" in comparison._repr_html_()
    assert "a at 8×8, b at 8×8" in comparison._repr_html_()
    assert "a ! only 4 held-out images" in comparison._repr_html_()
    assert Comparison(measures, {"a": "8×8", "b": "16×16"}, {}).find_best("psnr") is None, "levels differ"


def test_runs_are_given_as_summaries_or_paths(run, tmp_path):
    (measures,) = bench.compare([run]).measures.values()
    assert measures == dict(*bench.compare([run.path]).measures.values())
    assert measures["reconstruction_error"] == run.measures["reconstruction_error"]
    with pytest.raises(AlaeError, match="is not inside a run directory"):
        bench.compare([tmp_path])
