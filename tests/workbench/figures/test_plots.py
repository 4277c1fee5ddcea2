"""Curves of runs: which panels there are."""

import json

from alae_workbench.figures.plots import plot_curves


def run(path, *records):
    (path / "checkpoints").mkdir(parents=True)
    (path / "config.yaml").write_text("")
    (path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def titles(*runs):
    return [axes.get_title(loc="left") for axes in plot_curves(runs).axes if axes.get_title(loc="left")]


def test_what_has_one_point_alone_is_no_curve(tmp_path):
    evaluated = {"step": 2, "evaluation": {"psnr": 9.0}}
    records = [{"step": step, "losses": {"generator": 1.0 / step}} for step in (1, 2)]
    one = run(tmp_path / "one", *records, evaluated)
    assert titles(one) == ["generator loss"]
    other = run(tmp_path / "other", *records, evaluated, {"step": 4, "evaluation": {"psnr": 8.0}})
    assert titles(one, other) == ["generator loss", "psnr"]
    assert titles(run(tmp_path / "young", records[0])) == ["generator loss"]
