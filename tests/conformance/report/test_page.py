"""Reports of artificial runs: one that passes, and others with every kind of failure."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from html.parser import HTMLParser
from io import StringIO
from math import inf
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from alae_conformance.case import cases
from alae_conformance.record import BackendRecord, CaseRecord, CheckRecord, Report, levels_of
from alae_conformance.report.badge import badge
from alae_conformance.report.junit import junit
from alae_conformance.report.page import page
from alae_conformance.report.terminal import Lines, summary

TRACEBACK = """Traceback (most recent call last):
  File "mine.py", line 12, in gradients
    raise \x1b[31mRuntimeError\x1b[0m("<script>alert(1)</script>")
RuntimeError: <script>alert(1)</script>\x00 & more

"""
REFUSAL = "mine does not compute in float64"


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
    if cases()[name].experiment == "free_run":
        return {f"trajectory/{update}": (rng.uniform(1, 2, 20) * (1 + deviation)).tolist() for update in ("a", "b")}
    if cases()[name].experiment == "reciprocity":
        return {"reciprocity/error": (np.exp(rng.normal(0, 0.1, (24, 9)) - np.arange(9) / 3) + deviation).tolist()}
    return {}


def a_case(name, lane="float32", status="passed", **fields):
    fields = {"checks": [a_check()] if status in ("passed", "stale") else [], **fields}
    return CaseRecord(case=name, level=cases()[name].level, lane=lane, status=status, seconds=0.25, **fields)


def a_backend(name="jax", but=(), with_curves=True):
    """Passes every case in every lane, but for those given."""
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


@cache
def page_of(name):
    return page(EACH[name])


class Reader(HTMLParser):
    """A page's text, tags, ids and links."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.ids, self.loads, self.text, self.details = [], [], [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.loads += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.details += [dict(attrs)] if tag == "details" else []

    def handle_data(self, data):
        self.text += data


def on_terminal(show, width=100):
    console = Console(file=StringIO(), width=width, force_terminal=False)
    show(console)
    return console.file.getvalue()


@REPORTS
def test_json_is_strict_and_round_trips(report):
    def refuse(constant):
        raise AssertionError(constant)

    text = report.model_dump_json()
    json.loads(text, parse_constant=refuse)
    assert Report.model_validate_json(text) == report


@REPORTS
def test_junit_counts_every_case_once(report):
    root = ET.fromstring(junit(report))
    suites = root.findall("testsuite")
    assert len(suites) == len(report.backends)
    for suite, backend in zip(suites, report.backends, strict=True):
        assert int(suite.get("tests")) == len(suite.findall("testcase")) == len(backend.cases)
        for counted, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(counted)) == len(suite.findall(f"testcase/{element}"))
    for counted in ("tests", "failures", "errors", "skipped"):
        assert int(root.get(counted)) == sum(int(suite.get(counted)) for suite in suites)


def test_junit_describes_failures():
    suite = ET.fromstring(junit(BAD))[1]
    assert [int(suite.get(name)) for name in ("failures", "errors", "skipped")] == [2, 1, 1 + len(UNSUPPORTED)]
    found = {(case.get("classname"), case.get("name")): case for case in suite.findall("testcase")}
    failure = found["alae_conformance.mine.float32.L2", "L2-leaky-gradients"].find("failure")
    assert "not finite" in failure.get("message")
    assert "gradients" in failure.text
    error = found["alae_conformance.mine.float32.L3", "L3-leaky-substeps"].find("error")
    assert error.get("message") == "run: RuntimeError: no"
    assert "RuntimeError: <script>alert(1)</script>\\x00 & more" in error.text
    assert found["alae_conformance.mine.float64.L0", "L0-leaky-contract"].find("skipped").get("message") == REFUSAL
    assert "out of date" in found["alae_conformance.mine.float32.L3", "L3-hinge-run"].find("failure").get("message")
    properties = {each.get("name"): each.get("value") for each in suite.findall("properties/property")}
    assert properties["manifest"] == BAD.manifest
    assert {"cpu", "full", "3.12.0", "1.2.3"} <= set(properties.values())


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


@pytest.mark.parametrize("name", EACH)
def test_the_page_loads_no_other_file(name):
    html = page_of(name)
    read = Reader(html)
    assert "script" not in read.tags
    assert "link" not in read.tags
    assert all(load.startswith("#") for load in read.loads)
    assert all(found.startswith("#") for found in re.findall(r"url\(['\"]?([^)]*)", html))
    assert "@import" not in html
    assert len(read.ids) == len(set(read.ids))
    assert {load[1:] for load in read.loads} <= set(read.ids)
    assert {found[1:] for found in re.findall(r"url\(([^)]*)\)", html)} <= set(read.ids)


def test_the_page_describes_failures():
    read = Reader(page_of("bad"))
    assert "jax conforms" in read.text
    assert "mine does not conform" in read.text
    assert "not held: L2 in float32, L3 in float32" in read.text
    assert len(read.details) == 3
    assert all("open" in attrs for attrs in read.details)
    for said in (
        "L2-leaky-gradients, mine, float32: failed",
        "has values that are not finite",
        "∞",
        "RuntimeError: <script>alert(1)</script>",
        "no hinge: https://example.org/7",
        "it passes, so the xfail is out of date",
        REFUSAL,
        BAD.manifest[:12],
        cases()["L4-leaky-reciprocity"].requirement,
    ):
        assert said in read.text
    assert "\x1b" not in read.text


def test_the_page_plots_all_curves():
    assert Reader(page_of("good")).tags.count("svg") == 1 + sum(map(len, GOOD.reference.values()))
    assert Reader(page_of("without curves")).tags.count("svg") == 1
    assert Reader(page_of("empty")).tags.count("svg") == 0


def test_the_page_draws_an_infinite_ratio_at_its_edge():
    failed = a_report(a_backend(but=[FAILED], with_curves=False), with_curves=False)
    ring_and_its_key = 2
    assert (
        Reader(page(failed)).tags.count("use") == Reader(page_of("without curves")).tags.count("use") + ring_and_its_key
    )


@pytest.mark.slow
def test_the_page_draws_runs_that_diverge():
    def diverged(value):
        curves = {"trajectory/a": [1.0] * 10 + [value] * 10, "trajectory/b": [value] * 20}
        wrong = a_case("L3-leaky-run", status="failed", checks=[a_check(inf, 0.0)], curves=curves)
        lost = a_case("L4-leaky-reciprocity", status="failed", curves={"reciprocity/error": [[value] * 9] * 24})
        misshapen = a_case("L3-hinge-run", status="failed", curves={"trajectory/a": [1.0, 2.0]})
        return a_backend(f"by {value}", [wrong, lost, misshapen])

    read = Reader(page(a_report(*map(diverged, (inf, -inf, float("nan"), 1e300, 0.0)))))
    assert read.text.count("does not conform") == 5


@pytest.mark.slow
def test_the_same_report_gives_the_same_page():
    assert page(BAD) == page_of("bad")


def test_each_case_has_a_line_followed_by_its_problems():
    def show(console):
        lines = Lines(console, ["jax", "mine"])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda case: lines.case("mine", case), BAD.backends[1].cases))

    printed = on_terminal(show).splitlines()
    assert sum(line.startswith("mine  ") for line in printed) == len(BAD.backends[1].cases)
    at = next(i for i, line in enumerate(printed) if "L2-leaky-gradients" in line and "float32" in line)
    assert "failed" in printed[at]
    assert "∞" in printed[at]
    assert "still" in printed[at + 1]
    assert "has values that are not finite" in printed[at + 1]
    assert "0.02 > 0.001" in printed[at + 2]
    at = next(i for i, line in enumerate(printed) if "L3-leaky-substeps" in line and "float32" in line)
    assert printed[at + 1].strip() == "run: RuntimeError: no"
    assert printed[at + 2].strip() == "RuntimeError: <script>alert(1)</script>\\x00 & more"
    assert "\x1b" not in "".join(printed)


@REPORTS
def test_the_summary_fits_100_columns(report):
    printed = on_terminal(lambda console: summary(report, console))
    table, _, verdicts = printed.partition("passed/required")
    assert max(map(len, table.splitlines())) <= 100
    for backend in report.backends:
        assert f"{backend.name} {'conforms' if backend.conforms else 'does not conform'}" in verdicts


def test_the_summary_lists_levels():
    printed = on_terminal(lambda console: summary(BAD, console))
    assert "jax conforms: L5 in float32, L3 in float64, L3 in bfloat16" in printed
    assert "mine does not conform: not held: L2 in float32, L3 in float32" in printed
    assert "withdrawn: L1 in float32" in printed
    assert REFUSAL in printed
    row = next(line for line in printed.splitlines() if "L2 gradients" in line)
    assert re.search(r"✓ (\d+)/\1 · 0\.01 .*✗ \d+/\1 · ∞", row)
