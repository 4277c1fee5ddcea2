"""`alae compare`: a table of several runs."""

import json

import pytest

from tests.cli.conftest import describe_case


def test_runs_are_shown_side_by_side(run_alae, home):
    code, out, err = run_alae("compare", "run", "other")
    assert code == 0, err
    summaries = [json.loads((home / run / "summary.json").read_text("utf-8"))["measures"] for run in ("run", "other")]
    for name in summaries[0]:
        line = next(line for line in out.splitlines() if f" {name[:20]}" in line)
        assert all(f"{summary[name]:.4f}" in line for summary in summaries)


MISTAKES = [
    (["run", "photos"], "photos is not inside a run directory"),
    (["style"], "style has no measures"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_is_refused(assert_refused, home, words, message):
    assert_refused(["compare", *words], message)
