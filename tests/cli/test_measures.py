"""`alae measures`: every group and measure, with the direction of better values."""

from alae_workbench.evaluation.registry import MEASURES


def test_all_measures_are_listed_by_group(run_alae):
    code, out, _ = run_alae("measures")
    assert code == 0
    words = out.split()
    assert {measure.group for measure in MEASURES.values()} <= set(words)
    assert MEASURES.keys() <= set(words)
    assert {"↓", "↑", "alae[measures]"} <= set(words)
