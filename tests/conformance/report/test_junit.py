"""The JUnit XML of a run."""

from xml.etree import ElementTree as ET

from alae_conformance.report.junit import junit
from tests.conformance.report.artificial import BAD, REFUSAL, REPORTS, UNSUPPORTED


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
