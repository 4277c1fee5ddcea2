"""A run of the whole suite."""

import time

from alae_conformance.judge import Judge
from alae_conformance.record import CaseRecord
from alae_conformance.selection import Selection, select
from alae_conformance.suite import conform


def test_cases_are_reported_in_order_whichever_lane_ends_first(monkeypatch):
    def run_case(judge, case, lane, backends):
        time.sleep(0.05 if lane == "float32" else 0)
        judge.cases.append(CaseRecord(case=case.id, level=case.level, lane=lane, status="passed", seconds=0))

    monkeypatch.setattr(Judge, "run_case", run_case)
    selection = Selection(cases=("L1-hinge-values", "L1-leaky-values"))
    (record,) = conform(["slow"], selection=selection).backends
    assert [(each.case, each.lane) for each in record.cases] == [
        (case.id, lane) for case, lane in select("full", selection)
    ]
