"""Reports beside each other: only equal revisions are compared, and missing is not failed."""

from io import StringIO

import pytest
from rich.console import Console

from alae_conformance.report.difference import compare_reports, print_comparison, read_report
from alae_core import AlaeError
from tests.conformance.report.artificial import GOOD, a_backend, a_case


def change(report, **fields):
    return report.model_copy(update=fields)


def without(backend, *, case=None, lane=None):
    """Return a backend's record without a case, or without a lane."""
    kept = [each for each in backend.cases if each.case != case and each.lane != lane]
    return backend.model_copy(update={"cases": kept})


JAX = a_backend("jax", with_curves=False)
BEFORE = change(GOOD, backends=[JAX])
FAILED = a_case("L2-leaky-gradients", status="failed")


def test_a_report_equals_itself():
    assert compare_reports(GOOD, GOOD) == []


def test_a_case_that_passed_and_fails_is_worse():
    now = change(BEFORE, backends=[a_backend("jax", [FAILED], with_curves=False)])
    (found,) = compare_reports(BEFORE, now)
    assert (found.backend, found.lane, found.case, found.is_worse) == ("jax", "float32", "L2-leaky-gradients", True)
    (found,) = compare_reports(now, BEFORE)
    assert not found.is_worse


def test_a_missing_case_is_missing_and_not_failed():
    now = change(BEFORE, backends=[without(JAX, case="L2-leaky-gradients")])
    changes = compare_reports(BEFORE, now)
    assert [found.lane for found in changes] == ["float32", "float64"]
    assert all(found.now is None and not found.is_worse for found in changes)


def test_lanes_of_one_report_only_are_not_compared():
    now = change(BEFORE, backends=[without(JAX, lane="float64")])
    assert compare_reports(BEFORE, now) == []


def test_backends_are_paired_by_name_or_if_each_report_has_one():
    other = change(BEFORE, backends=[a_backend("mine", [FAILED], with_curves=False)])
    (found,) = compare_reports(BEFORE, other)
    assert found.backend == "mine"
    both = change(BEFORE, backends=[JAX, a_backend("torch", with_curves=False)])
    assert compare_reports(both, change(both, backends=both.backends[::-1])) == []
    with pytest.raises(AlaeError, match="no backend is in both reports: one has jax, torch, the other mine"):
        compare_reports(both, other)


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"specification": 99}, "specification"), ({"manifest": "0" * 64}, "frozen numbers"), ({"fresh": 7}, "fresh")],
)
def test_other_revisions_are_refused(fields, name):
    with pytest.raises(AlaeError, match=f"the reports have different {name}.*same revision of the suite"):
        compare_reports(BEFORE, change(BEFORE, **fields))


def test_what_is_printed(tmp_path):
    now = change(BEFORE, backends=[without(a_backend("jax", [FAILED], with_curves=False), case="L0-leaky-put")])
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    console = Console(file=StringIO(), width=100)
    print_comparison(paths, BEFORE, now, console)
    text = console.file.getvalue()
    assert "old.json" in text
    assert "jax  float32  L2-leaky-gradients  passed → failed (error/limit ∞)" in text
    console = Console(file=StringIO(), width=100)
    print_comparison(paths, BEFORE, BEFORE, console)
    assert "no case differs" in console.file.getvalue()


def test_a_written_report_is_read_again_and_others_are_refused(tmp_path):
    file = tmp_path / "report.json"
    file.write_text(BEFORE.model_dump_json(indent=1))
    assert compare_reports(BEFORE, read_report(file)) == []
    file.write_text("{}")
    with pytest.raises(AlaeError, match=r"report.json is not a report of `alae conform --json`"):
        read_report(file)
    with pytest.raises(AlaeError, match=r"none.json: No such file"):
        read_report(tmp_path / "none.json")
