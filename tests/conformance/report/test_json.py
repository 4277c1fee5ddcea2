"""The JSON record of a run."""

import json

from alae_conformance.record import Report
from tests.conformance.report.artificial import (
    REPORTS,
)


@REPORTS
def test_json_is_strict_and_round_trips(report):
    def refuse(constant):
        raise AssertionError(constant)

    text = report.model_dump_json()
    json.loads(text, parse_constant=refuse)
    assert Report.model_validate_json(text) == report
