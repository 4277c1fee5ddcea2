"""`alae measures`: every group and measure, with the direction of better values."""

from alae_workbench.evaluation.registry import MEASURES


def test_all_measures_are_listed_by_group(run_alae):
    code, out, _ = run_alae("measures")
    assert code == 0
    words = out.split()
    assert {measure.group for measure in MEASURES.values()} <= set(words)
    # Names of more than 34 characters are shortened in a terminal of 80 columns.
    assert {name for name in MEASURES if len(name) < 34} <= set(words)
    assert {"↓", "↑", "alae[measures]"} <= set(words)
