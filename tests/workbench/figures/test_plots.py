"""Plots of runs: which numbers get a panel, and means of an ablation."""

import json

import pytest

from alae_core import AlaeError
from alae_workbench.figures.plots import plot_bars, plot_curves, read_histories, read_levels


def make_run(path, *records):
    (path / "checkpoints").mkdir(parents=True)
    (path / "config.yaml").write_text("")
    (path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def read_titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def test_numbers_with_a_single_point_are_omitted(tmp_path):
    evaluated = {"step": 2, "evaluation": {"psnr": 9.0}}
    records = [{"step": step, "losses": {"generator": 1.0 / step}} for step in (1, 2)]
    one = make_run(tmp_path / "one", *records, evaluated)
    assert read_titles(plot_curves([one])) == ["generator loss"]
    other = make_run(tmp_path / "other", *records, evaluated, {"step": 4, "evaluation": {"psnr": 8.0}})
    assert read_titles(plot_curves([one, other])) == ["generator loss", "psnr"]
    young = make_run(tmp_path / "young", records[0])
    assert read_titles(plot_curves([young])) == ["generator loss"], "unless all have one point"


def test_curves_are_interrupted_and_marked_where_a_level_begins(tmp_path):
    records = [{"step": step, "losses": {"generator": 1.0}, "lod": int(step > 4)} for step in (2, 4, 6, 8)]
    run = make_run(tmp_path / "one", *records, {"step": 8, "evaluation": {"psnr": 9.0}})
    assert read_levels(run) == [(2, 4), (6, 8)]
    (axes,) = plot_curves([run]).axes
    curve, *marks = axes.lines
    assert [step for step in curve.get_xdata() if step == step] == [2, 4, 6, 8]
    assert [step == step for step in curve.get_xdata()] == [True, True, False, True, True]
    assert [mark.get_xdata()[0] for mark in marks] == [2, 6]
    assert [text.get_text() for text in axes.texts] == ["4×4", "8×8"]
    assert curve.get_markevery() == []
    other = make_run(tmp_path / "other", {"step": 2, "psnr": 7.0}, {"step": 4, "psnr": 7.0, "lod": 0})
    (axes,) = plot_curves([other]).axes
    assert (len(axes.lines), len(axes.texts), read_levels(other)) == (1, 0, [(4, 4)])


def test_a_point_that_no_line_shows_has_a_marker(tmp_path):
    points = [{"step": step, "psnr": 7.0, "lod": lod} for step, lod in ((1, 0), (2, 1), (3, 1), (4, 2))]
    (axes,) = plot_curves([make_run(tmp_path / "one", *points)]).axes
    assert [list(axes.lines[0].get_xdata())[i] for i in axes.lines[0].get_markevery()] == [1, 4]


def test_histories_are_sorted_by_step_and_skip_incomplete_lines(tmp_path):
    run = make_run(tmp_path / "run", {"step": 4, "psnr": 8.0, "lod": 1}, {"step": 2, "psnr": 7.0})
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "psn')
    assert read_histories(run) == {"psnr": [(2, 7.0), (4, 8.0)]}


def test_run_without_records_is_refused(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "metrics.jsonl").unlink()
    with pytest.raises(AlaeError, match=r"run has no records yet: training writes metrics.jsonl at its first report"):
        plot_curves([run])


def test_bars_print_the_mean_over_seeds():
    numbers = {"paper": {"psnr": [8.0, 9.0]}, "other": {"psnr": [1.0], "lpips": [0.5]}}
    figure = plot_bars(numbers, {"psnr": "psnr ↑"}, "two variants")
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "psnr ↑"
    assert [text.get_text() for text in axes.texts] == ["8.5", "1"]
    assert [bar.get_width() for bar in axes.patches] == [8.5, 1.0]


def test_notebooks_show_a_plot(tmp_path):
    plot = plot_curves([make_run(tmp_path / "one", {"step": 1, "losses": {"generator": 1.0}})])
    assert plot._repr_png_().startswith(b"\x89PNG")
