"""Run directories in the states left by earlier commands and by users."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from alae_core import AlaeError
from alae_core.growth import position
from alae_workbench.storage.directory import Run, Summary, make_record
from tests.conftest import tiny_config, tiny_style_config


def list_names(run):
    return {path.name for path in run.checkpoints.iterdir()}


def go_back(run, to, step):
    run.begin("batch_size: 6\n", SimpleNamespace(path=run.checkpoints / to, step=step))


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path)
    for step in (10, 20):
        (made.checkpoints / f"step-{step:08d}" / "content").mkdir(parents=True)
    return made


@pytest.mark.parametrize("name", ["file", "file/run"])
def test_a_file_in_the_place_of_a_run_is_named(tmp_path, name):
    (tmp_path / "file").touch()
    for find in (Run.new, Run.find_started):
        with pytest.raises(AlaeError, match=r"file is a file, so no run can be written to .*: choose another --out"):
            find(tmp_path / name)


def test_checkpoints_set_aside_never_overwrite_earlier_ones(run):
    for number in range(3):
        if number:
            (run.checkpoints / "step-00000020" / "content").mkdir(parents=True)
        go_back(run, "step-00000010", 10)
    (run.checkpoints / "abandoned-step-00000020" / "content").rmdir()
    (run.checkpoints / "abandoned-step-00000020").rmdir()
    (run.checkpoints / "step-00000020" / "content").mkdir(parents=True)
    go_back(run, "step-00000010", 10)
    assert list_names(run) == {"step-00000010", *(f"abandoned{n}-step-00000020" for n in ("", "-2", "-3"))}


def test_resuming_from_a_checkpoint_set_aside_sets_aside_only_the_others(run):
    go_back(run, "step-00000010", 10)
    (run.checkpoints / "step-00000020").mkdir()
    go_back(run, "abandoned-step-00000020", 20)
    assert list_names(run) == {"step-00000010", "abandoned-step-00000020", "abandoned-2-step-00000020"}


@pytest.mark.parametrize(
    "torn",
    [b'{"step": 1' + b"0" * 400 + b"}\n", b"[" * 200_000 + b"\n", b'{"step": 1'],
    ids=["huge number", "deep nesting", "torn line"],
)
def test_invalid_records_are_dropped_from_metrics(run, torn):
    run.metrics.write_bytes(b'{"step": 5}\n' + torn)
    go_back(run, "step-00000020", 20)
    assert run.metrics.read_bytes() == b'{"step": 5}\n'


def test_a_summary_is_a_list_of_rows_and_in_notebooks_a_table_with_the_last_grid(tmp_path):
    losses, measures = {"<generator>": 0.5}, {"reconstruction_error": 0.25}
    summary = Summary(tmp_path, 1000, losses, measures, tmp_path / "checkpoint", tmp_path / "grid.png")
    same = {"run": str(tmp_path), "step": 1000}
    assert summary.rows() == [
        {**same, "kind": "loss", "name": "<generator>", "value": 0.5},
        {**same, "kind": "measure", "name": "reconstruction_error", "value": 0.25},
    ]
    without = summary._repr_html_()
    assert "&lt;generator&gt;" in without
    assert "<img" not in without
    (tmp_path / "grid.png").write_bytes(b"picture")
    assert "data:image/png;base64,cGljdHVyZQ==" in summary._repr_html_()


def test_records_have_the_time_the_images_shown_and_the_level():
    config = tiny_style_config()
    # Three steps of 4 images at 4×4, then 8×8 fades in with batches of 6.
    record = make_record(config, 3, {"psnr": 9.0})
    assert datetime.fromisoformat(record.pop("time")).tzinfo
    assert record == {"step": 3, "images": 12, "lod": 0, "blend": 1.0, "psnr": 9.0}
    record = make_record(config, 5, {})
    assert (record["images"], record["lod"], record["blend"]) == (24, 1, position(config, 4).blend)
    assert make_record(tiny_config(), 2, {}).keys() == {"step", "time", "images"}


def test_a_new_file_system_is_an_empty_directory(tmp_path):
    (tmp_path / "lost+found").mkdir()
    assert Run(tmp_path).unstarted
    (tmp_path / "file").touch()
    assert not Run(tmp_path).unstarted


def test_a_summary_is_read_with_the_paths_of_the_directory_that_it_is_in(tmp_path):
    first, second = Run(tmp_path / "first"), Run(tmp_path / "second")
    assert first.read_summary() is None
    first.path.mkdir()
    first.end(Summary(first.path, 5, {"generator": 1.0}, {}, first.checkpoints / "step-5", first.grids / "step-5.png"))
    first.path.rename(second.path)
    assert second.read_summary() == Summary(
        second.path, 5, {"generator": 1.0}, {}, second.checkpoints / "step-5", second.grids / "step-5.png"
    )
    second.summary.write_text("{")
    with pytest.raises(AlaeError, match=r"second/summary.json is damaged"):
        second.read_summary()
