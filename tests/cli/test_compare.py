"""`alae compare`: a table of several runs."""

import json

import pytest

import alae_core as alae
from tests.cli.conftest import describe_case


def test_runs_are_shown_side_by_side(run_alae, home):
    code, out, err = run_alae("compare", "run", "other")
    assert code == 0, err
    summaries = [json.loads((home / run / "summary.json").read_text("utf-8"))["measures"] for run in ("run", "other")]
    for name in summaries[0]:
        line = next(line for line in out.splitlines() if f" {name[:20]}" in line)
        assert all(f"{summary[name]:.4f}" in line for summary in summaries)


def test_runs_at_different_levels_are_not_ranked(run_alae, home):
    for run, step in (("style", 6), ("young", 3)):
        config = alae.load_checkpoint(home / run).config
        (home / run / "config.yaml").write_text(config.to_yaml(), "utf-8")
        summary = {"step": step, "measures": {"reconstruction_error": step / 10}, "images": {"held_out": 4}}
        (home / run / "summary.json").write_text(json.dumps(summary), "utf-8")
    code, out, err = run_alae("compare", "style", "young")
    assert code == 0, err
    assert [word for word in next(line for line in out.splitlines() if "level of" in line).split() if "×" in word] == [
        "8×8",
        "4×4",
    ]
    assert all(text in " ".join(out.split()) for text in ("0.6000 !", "0.3000 !"))
    assert "young ! only 4 held-out images; at least 10 are needed: reconstruction_error" in out
    assert "the best values are not marked, because the runs are at different levels of detail" in out
    assert "not marked" not in run_alae("compare", "style", "style")[1]


MISTAKES = [
    (["run", "photos"], "photos is not inside a run directory"),
    (["style"], "style has no measures"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_is_refused(assert_refused, home, words, message):
    assert_refused(["compare", *words], message)
