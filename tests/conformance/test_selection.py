"""The selection of cases, and of the levels that a backend must hold."""

from itertools import groupby

import pytest

from alae_conformance.case import PROFILES, cases, experiment_of
from alae_conformance.claims import ClaimError
from alae_conformance.selection import (
    Selection,
    SelectionError,
    estimate_seconds,
    requirements,
    select,
    split_into_waves,
)


def test_cases_levels_and_lanes_restrict_a_run():
    assert {
        (case.id, lane) for case, lane in select("standard", Selection(["L1-large-values"], lanes=["float64"]))
    } == {("L1-large-values", "float64")}
    assert {case.level for case, _ in select("standard", Selection(levels=[0, 2]))} == {0, 2}
    assert {lane for _, lane in select("smoke", Selection(lanes=["float64"]))} == {"float64"}
    assert [case.id for case, _ in select("smoke", Selection(["L4-leaky-reciprocity"]))] == ["L4-leaky-reciprocity"]
    with pytest.raises(SelectionError, match="no case is left"):
        select("smoke", Selection(levels=[4]))


def test_the_cases_of_a_fixture_in_a_lane_come_in_a_row_lowest_level_first():
    rows = [
        (lane, fixture, [case.level for case, _ in row])
        for (lane, fixture), row in groupby(select("full"), lambda task: (task[1], task[0].fixture))
    ]
    assert len({(lane, fixture) for lane, fixture, _ in rows}) == len(rows)
    assert all(levels == sorted(levels) for _, _, levels in rows)


def test_checkpoints_are_written_in_an_earlier_wave_than_they_are_read():
    written, reading = split_into_waves(select("full"))
    readers = {(case.fixture, experiment_of(case).reads) for case, _ in reading if experiment_of(case).reads}
    assert readers
    assert readers <= {(case.fixture, case.experiment) for case, _ in written}
    assert not [case for case, _ in written if experiment_of(case).reads]


def test_a_claim_is_reduced_to_the_run_but_a_requirement_is_not():
    tasks, claim = select("smoke"), {"float32": 5, "float64": 5}
    assert requirements(tasks, Selection(), {}, claim) == {"float32": 1}
    assert requirements(tasks, Selection(), {"float32": 0}, claim) == {"float32": 1}
    with pytest.raises(
        ClaimError, match="float64:L0 is required, which this run cannot show: it shows at most float32:L1"
    ):
        requirements(tasks, Selection(), {"float64": 0}, claim)
    assert requirements(tasks, Selection(levels=[0]), {}, claim) == {}


def test_more_cores_help_as_long_as_there_are_lanes():
    tasks = select("smoke")
    assert estimate_seconds(tasks, 1, 2) == estimate_seconds(tasks, 1, 1) > 8
    assert estimate_seconds(tasks, 3, 2) > estimate_seconds(tasks, 3, 4) == estimate_seconds(tasks, 3, 3)
    assert estimate_seconds(select("full"), 1, 2) > 2 * estimate_seconds(tasks, 1, 2)


def test_some_lanes_of_a_case_run_only_in_full():
    lanes = {profile: [lane for case, lane in select(profile) if case.id == "L3-style-levels"] for profile in PROFILES}
    assert lanes == {"smoke": [], "standard": ["float32"], "full": ["float32", "float64"]}
    named = select("standard", Selection(["L3-style-levels"]))
    assert [lane for _, lane in named] == ["float32", "float64"]
    assert all(set(case.full_lanes) < set(case.lanes) for case in cases().values())
