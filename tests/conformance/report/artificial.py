"""Records of artificial runs: one that passes, and others with every kind of failure."""

from math import inf

import numpy as np
import pytest

from alae_conformance.case import cases
from alae_conformance.record import BackendRecord, CaseRecord, CheckRecord, Report, levels_of

TRACEBACK = """Traceback (most recent call last):
  File "mine.py", line 12, in gradients
    raise \x1b[31mRuntimeError\x1b[0m("<script>alert(1)</script>")
RuntimeError: <script>alert(1)</script>\x00 & more

"""
REFUSAL = "mine does not compute in float64"
#: the cases with curves; plotting those of every run would take many seconds
PLOTTED = ("L3-leaky-run", "L3-hinge-run", "L4-leaky-reciprocity")


def a_check(error=1e-6, limit=1e-4, note="", check="displacement", quantity="20/D/dense1/kernel"):
    ratio = error / limit if limit else inf if error else 0.0
    return CheckRecord(
        check=check,
        compared=20,
        failed=int(ratio > 1),
        quantity=quantity,
        error=error,
        limit=limit,
        ratio=ratio,
        note=note,
    )


def curves_of(name, deviation=0.0):
    rng = np.random.default_rng(0)
    if name not in PLOTTED:
        return {}
    if cases()[name].experiment == "free_run":
        return {f"trajectory/{update}": (rng.uniform(1, 2, 20) * (1 + deviation)).tolist() for update in ("a", "b")}
    if cases()[name].experiment == "reciprocity":
        return {"reciprocity/error": (np.exp(rng.normal(0, 0.1, (24, 9)) - np.arange(9) / 3) + deviation).tolist()}
    raise AssertionError(f"{name} has no curves")


def a_case(name, lane="float32", status="passed", **fields):
    fields = {"checks": [a_check()] if status in ("passed", "stale") else [], **fields}
    return CaseRecord(case=name, level=cases()[name].level, lane=lane, status=status, seconds=0.25, **fields)


def a_backend(name="jax", but=(), with_curves=True):
    """Return a backend that passes every case in every lane, except those in `but`."""
    found = {
        (case.id, lane): a_case(case.id, lane, curves=curves_of(case.id, 1e-6) if with_curves else {})
        for case in cases().values()
        for lane in case.lanes
    }
    found |= {(case.case, case.lane): case for case in but}
    return BackendRecord(
        name=name,
        device="cpu",
        keras_backend="jax",
        versions={"keras": "3.12.0", name: "1.2.3"},
        cases=list(found.values()),
        levels=levels_of(found.values()),
    )


def a_report(*backends, with_curves=True):
    return Report(
        alae="0.1.0",
        specification=2,
        manifest="0123456789abcdef" * 4,
        profile="full",
        fresh=None,
        started="2026-01-02T03:04:05+00:00",
        seconds=61.25,
        platform="Linux",
        python="3.11.7",
        backends=list(backends),
        reference={name: curves_of(name) for name in cases() if with_curves and curves_of(name)},
    )


FAILED = a_case(
    "L2-leaky-gradients",
    status="failed",
    checks=[a_check(0.02, 1e-3, check="gradients"), a_check(inf, 0.0, "has values that are not finite", check="still")],
)
ERROR = a_case("L3-leaky-substeps", status="error", message="run: RuntimeError: \x1b[1mno\x1b[0m", details=TRACEBACK)
EXPECTED = a_case(
    "L1-hinge-values", status="expected", message="no hinge: https://example.org/7", checks=[a_check(1, 0.1)]
)
STALE = a_case("L3-hinge-run", status="stale", message="it passes, so the xfail is out of date")
UNSUPPORTED = [
    a_case(case.id, "float64", "unsupported", message=REFUSAL) for case in cases().values() if "float64" in case.lanes
]

GOOD = a_report(a_backend("jax"), a_backend("torch"))
BAD = a_report(a_backend("jax"), a_backend("mine", [FAILED, ERROR, EXPECTED, STALE, *UNSUPPORTED]))
WITHOUT_CURVES = a_report(a_backend(with_curves=False), with_curves=False)
NOTHING_HOLDS = a_report(
    a_backend("jax"),
    a_backend(
        "mine",
        [
            a_case(name, status="error", message="no", details="")
            for name, case in cases().items()
            if "float32" in case.lanes
        ],
    ),
)
EMPTY = a_report(with_curves=False)
EACH = {"good": GOOD, "bad": BAD, "without curves": WITHOUT_CURVES, "nothing holds": NOTHING_HOLDS, "empty": EMPTY}
REPORTS = pytest.mark.parametrize("report", EACH.values(), ids=EACH)
