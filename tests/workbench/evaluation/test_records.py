"""Records of evaluations: merged, read, and compared between runs."""

import json
from datetime import datetime

import pytest

from alae_core import AlaeError
from alae_workbench.evaluation.records import Evaluation, compare_runs, read_evaluation, record_evaluation
from alae_workbench.storage.directory import Run
from tests.conftest import tiny_config, tiny_style_config


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    run.config.write_text(tiny_config().to_yaml())
    return run


def make_evaluation(run, **changes):
    fields = {
        "model": str(run.checkpoints / "step-00000004"),
        "step": 4,
        "shown": 512,
        "lod": 1,
        "averaged": True,
        "against": "digits",
        "own": True,
        "count": None,
        "images": {"train": 8},
        "measures": {"psnr": 9.0},
        "refused": {},
        "asked": ("psnr",),
    }
    return Evaluation(**fields | changes)


def test_file_names_list_the_differences_from_a_full_evaluation(run):
    assert make_evaluation(run).file == "step-00000004.json"
    other = make_evaluation(run, averaged=False, own=False, against="/data/my faces", count=40)
    assert other.file == "step-00000004-as-trained-against-my-faces-of-40.json"


def test_later_measures_are_merged_with_earlier_ones_of_the_same_images(run):
    path = record_evaluation(make_evaluation(run))
    record_evaluation(make_evaluation(run, measures={"ssim": 0.5}, asked=("ssim",)))
    merged = read_evaluation(path)
    assert (merged.measures, merged.asked) == ({"psnr": 9.0, "ssim": 0.5}, ("psnr", "ssim"))
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert all(datetime.fromisoformat(line.pop("time")).tzinfo for line in lines)
    same = {"step": 4, "images": 512, "lod": 1}
    assert lines == [{**same, "evaluation": {"psnr": 9.0}}, {**same, "evaluation": {"ssim": 0.5}}]
    record_evaluation(make_evaluation(run, images={"train": 9}, measures={"ssim": 0.6}))
    assert read_evaluation(path).measures == {"ssim": 0.6}


def test_a_checkpoint_outside_a_run_directory_has_no_record(tmp_path, run):
    assert record_evaluation(make_evaluation(run, model=str(tmp_path / "elsewhere" / "step-00000004"))) is None


def test_comparisons_prefer_full_evaluations(run):
    with pytest.raises(AlaeError, match="run has no measures: `alae evaluate "):
        compare_runs([run.path])
    run.summary.write_text(json.dumps({"step": 4, "measures": {"psnr": 1.0, "overfitting": 0.1}}))
    assert compare_runs([run.path]) == {str(run.path): ({"psnr": 1.0, "overfitting": 0.1}, "4×3", {})}
    record_evaluation(make_evaluation(run, count=40, measures={"psnr": 8.0}))
    assert compare_runs([run.path])[str(run.path)].measures["psnr"] == 8.0
    record_evaluation(make_evaluation(run))
    assert compare_runs([run.path])[str(run.path)].measures["psnr"] == 9.0


@pytest.mark.parametrize(("step", "level"), [(3, "4×4"), (4, "8×8 fading in, 0%"), (9, "8×8")])
def test_measures_have_the_level_of_detail_of_their_step(run, step, level):
    run.config.write_text(tiny_style_config().to_yaml())
    record_evaluation(make_evaluation(run, step=step))
    assert compare_runs([run.path])[str(run.path)].level == level


def test_the_error_names_a_damaged_file(run):
    path = record_evaluation(make_evaluation(run))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(AlaeError, match=r"step-00000004.json is not an evaluation: "):
        read_evaluation(path)


def test_an_evaluation_is_a_list_of_rows_and_in_notebooks_a_table(run):
    evaluation = make_evaluation(run, against="a<b>", measures={"psnr": 9.0, "later": 1.0}, refused={"ssim": "why<"})
    first, later = evaluation.rows()
    assert {key: first[key] for key in ("step", "averaged", "against", "measure", "value", "better")} == {
        "step": 4,
        "averaged": True,
        "against": "a<b>",
        "measure": "psnr",
        "value": 9.0,
        "better": "higher",
    }
    assert later["better"] == later["description"] == later["doubt"] == "", (
        "another version of alae may have measured more"
    )
    few = make_evaluation(run, images={"train": 36, "held_out": 4})
    assert few.rows()[0]["doubt"] == "only 4 held-out images; at least 10 are needed"
    assert "only 4 held-out images" in few._repr_html_()
    html = evaluation._repr_html_()
    assert all(text in html for text in ("9.0000", "a&lt;b&gt;", "not measured: ssim: why&lt;", first["description"]))
