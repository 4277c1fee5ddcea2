"""What must hold, and which cases run."""

import pytest

from alae_conformance.claims import ClaimError, read_claim
from alae_conformance.record import BackendRecord, CaseRecord, levels_of
from alae_conformance.selection import Selection, SelectionError, requirements, select


def record(*cases, **options):
    found = [
        CaseRecord(case=f"L{level}-x", level=level, lane=lane, status=status, seconds=0)
        for lane, level, status in cases
    ]
    made = BackendRecord(name="x", device="", keras_backend="", versions={}, cases=found, levels=levels_of(found))
    return made.model_copy(update=options)


def test_a_claim_is_read():
    assert read_claim("float32:L5, float64:L0") == {"float32": 5, "float64": 0}


@pytest.mark.parametrize(
    "text", ["", "float32", "float32:5", "float32:L6", "float16:L1", "float32:L1,float32:L2", "x" * 999]
)
def test_a_claim_that_is_none_is_an_error(text):
    with pytest.raises(ClaimError, match="is not a claim: give each lane") as refused:
        read_claim(text)
    assert len(str(refused.value)) < 300


def test_what_is_required_and_missing_is_a_failure():
    passed = [("float32", 0, "passed"), ("float32", 1, "passed"), ("float64", 0, "unsupported")]
    assert record(*passed).conforms
    assert record(*passed, required={"float32": 1}).conforms
    assert record(*passed, required={"float32": 0}).missing == {}
    for required in ({"float32": 2}, {"float64": 0}, {"bfloat16": 0}):
        judged = record(*passed, required=required)
        assert judged.missing == required
        assert not judged.conforms
    # A level counts with all below it.
    gap = [("float32", 0, "passed"), ("float32", 1, "expected"), ("float32", 2, "passed")]
    assert record(*gap, required={"float32": 2}).missing == {"float32": 2}


def test_cases_that_were_chosen_pass_and_claim_nothing():
    chosen = record(("float64", 3, "passed"), partial=True)
    assert chosen.conforms
    assert chosen.highest("float64") is None
    assert not record(("float64", 3, "unsupported"), partial=True).conforms, "nothing was executed"
    assert not record(("float64", 3, "passed"), ("float32", 3, "failed"), partial=True).conforms


def test_cases_levels_and_lanes_choose():
    assert {
        (case.id, lane) for case, lane in select("standard", Selection(["L1-large-values"], lanes=["float64"]))
    } == {("L1-large-values", "float64")}
    assert {case.level for case, _ in select("standard", Selection(levels=[0, 2]))} == {0, 2}
    assert {lane for _, lane in select("smoke", Selection(lanes=["float64"]))} == {"float64"}
    assert [case.id for case, _ in select("smoke", Selection(["L4-leaky-reciprocity"]))] == ["L4-leaky-reciprocity"]
    with pytest.raises(SelectionError, match="no case is left"):
        select("smoke", Selection(levels=[4]))


def test_a_claim_counts_as_far_as_a_run_shows_it_and_what_is_required_must_be_shown():
    tasks, claim = select("smoke"), {"float32": 5, "float64": 5}
    assert requirements(tasks, Selection(), {}, claim) == {"float32": 1}
    assert requirements(tasks, Selection(), {"float32": 0}, claim) == {"float32": 1}
    with pytest.raises(
        ClaimError, match="float64:L0 is required, which this run cannot show: it shows at most float32:L1"
    ):
        requirements(tasks, Selection(), {"float64": 0}, claim)
    assert requirements(tasks, Selection(levels=[0]), {}, claim) == {}


def test_a_level_that_no_case_leads_to_is_not_claimed():
    passed = [("float32", 0, "passed"), ("float32", 1, "passed"), ("float32", 3, "passed"), ("bfloat16", 1, "passed")]
    assert record(*passed).highest("float32") == 1
    assert record(*passed, ("float32", 2, "passed")).highest("float32") == 3
    assert record(*passed).highest("bfloat16") == 1
