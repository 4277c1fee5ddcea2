"""The badge of a run: JSON for the endpoint of shields.io."""

import json

from alae_conformance.record import BackendRecord, Report


def badge(report: Report) -> str:
    """Return the float32 level of the backend that reaches the lowest one, and how many of its cases were run.

    Green: every backend conforms. Orange: some do not, but a level holds for all. Red: a backend does not hold any
    level, or no backend was judged.
    """
    if not report.backends:
        return _shield("no backend judged", "red")
    lowest = min(report.backends, key=_reach)
    levels = [level for level in lowest.levels if level.lane == "float32"]
    share = f"{sum(level.executed for level in levels)} of {sum(level.required for level in levels)}"
    highest = lowest.highest("float32")
    if highest is None:
        return _shield(f"no level holds · {share}", "red")
    return _shield(f"L{highest} float32 · {share}", "brightgreen" if report.conforms else "orange")


def _reach(backend: BackendRecord) -> tuple[int, bool]:
    highest = backend.highest("float32")
    return -1 if highest is None else highest, backend.conforms


def _shield(message: str, color: str) -> str:
    return json.dumps(
        {"schemaVersion": 1, "label": "ALAE conformance", "message": message, "color": color}, ensure_ascii=False
    )
