"""The HTML page of a run."""

import re
from functools import cache
from html.parser import HTMLParser
from math import inf

import pytest

from alae_conformance.case import cases
from alae_conformance.report.page import page
from tests.conformance.report.artificial import (
    BAD,
    EACH,
    FAILED,
    GOOD,
    REFUSAL,
    a_backend,
    a_case,
    a_check,
    a_report,
)


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
