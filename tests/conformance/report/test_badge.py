"""The badge of a run."""

import json

import pytest

from alae_conformance.case import cases
from alae_conformance.report.badge import badge
from tests.conformance.report.artificial import (
    BAD,
    EMPTY,
    GOOD,
    NOTHING_HOLDS,
)


@pytest.mark.parametrize(
    ("report", "message", "color"),
    [
        (GOOD, "L5 float32 · {0} of {0}", "brightgreen"),
        (BAD, "L0 float32 · {1} of {0}", "orange"),
        (NOTHING_HOLDS, "no level holds · 0 of {0}", "red"),
        (EMPTY, "no backend judged", "red"),
    ],
)
def test_the_badge_shows_the_lowest_level(report, message, color):
    required = sum("float32" in case.lanes for case in cases().values())
    assert json.loads(badge(report)) == {
        "schemaVersion": 1,
        "label": "ALAE conformance",
        "message": message.format(required, required - 1),
        "color": color,
    }
