"""Which levels a backend holds, and whether it conforms."""

from alae_conformance.record import BackendRecord, CaseRecord, levels_of


def record(*cases, **options):
    found = [
        CaseRecord(case=f"L{level}-x", level=level, lane=lane, status=status, seconds=0)
        for lane, level, status in cases
    ]
    made = BackendRecord(name="x", device="", keras_backend="", versions={}, cases=found, levels=levels_of(found))
    return made.model_copy(update=options)


def test_a_missing_required_level_is_a_failure():
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


def test_selected_cases_can_pass_but_claim_no_level():
    chosen = record(("float64", 3, "passed"), partial=True)
    assert chosen.conforms
    assert chosen.highest("float64") is None
    assert not record(("float64", 3, "unsupported"), partial=True).conforms, "nothing was executed"
    assert not record(("float64", 3, "passed"), ("float32", 3, "failed"), partial=True).conforms


def test_a_level_above_a_gap_is_not_claimed():
    passed = [("float32", 0, "passed"), ("float32", 1, "passed"), ("float32", 3, "passed"), ("bfloat16", 1, "passed")]
    assert record(*passed).highest("float32") == 1
    assert record(*passed, ("float32", 2, "passed")).highest("float32") == 3
    assert record(*passed).highest("bfloat16") == 1


def test_a_run_without_cases_is_a_failure():
    assert not BackendRecord(
        name="x", device="", keras_backend="", versions={}, cases=[], levels=levels_of([])
    ).conforms
