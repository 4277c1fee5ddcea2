"""A run as JUnit XML."""

from collections import Counter
from xml.etree import ElementTree as ET

from alae_conformance.record import BackendRecord, CaseRecord, Report, Status
from alae_conformance.report.words import describe_failures, escape_controls
from alae_conformance.tolerances import Lane

_ELEMENTS: dict[Status, str] = {
    "failed": "failure",
    "stale": "failure",
    "error": "error",
    "unsupported": "skipped",
    "expected": "skipped",
}


def junit(report: Report) -> str:
    """Render an XML document with a test suite per backend and a test case per case and lane."""
    root = ET.Element("testsuites", name="ALAE conformance", time=f"{report.seconds:.2f}")
    for backend in report.backends:
        root.append(_suite(report, backend))
    for counted in ("tests", "failures", "errors", "skipped"):
        root.set(counted, str(sum(int(suite.get(counted, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(report: Report, backend: BackendRecord) -> ET.Element:
    kinds = Counter(_ELEMENTS.get(case.status) for case in backend.cases)
    suite = ET.Element(
        "testsuite",
        name=f"alae_conformance.{escape_controls(backend.name)}",
        timestamp=report.started,
        time=f"{sum(case.seconds for case in backend.cases):.2f}",
        tests=str(len(backend.cases) + len(backend.required)),
        failures=str(kinds["failure"] + len(backend.missing)),
        errors=str(kinds["error"]),
        skipped=str(kinds["skipped"]),
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report, backend).items():
        ET.SubElement(properties, "property", name=escape_controls(name), value=escape_controls(value))
    for case in backend.cases:
        suite.append(_testcase(backend, case))
    for lane, level in backend.required.items():
        suite.append(_requirement(backend, lane, level))
    return suite


def _properties(report: Report, backend: BackendRecord) -> dict[str, str]:
    return {
        "alae": report.alae,
        "specification": str(report.specification),
        "manifest": report.manifest,
        "profile": report.profile,
        "numbers": "frozen" if report.fresh is None else f"fresh, seed {report.fresh}",
        "python": report.python,
        "platform": report.platform,
        "device": backend.device,
        "keras backend": backend.keras_backend,
        **{f"version of {package}": version for package, version in backend.versions.items()},
    }


def _testcase(backend: BackendRecord, case: CaseRecord) -> ET.Element:
    element = ET.Element(
        "testcase",
        classname=f"alae_conformance.{escape_controls(backend.name)}.{case.lane}.L{case.level}",
        name=case.case,
        time=f"{case.seconds:.2f}",
    )
    kind = _ELEMENTS.get(case.status)
    if kind:
        lines = describe_failures(case)
        message = case.message or next(iter(lines), case.status)
        outcome = ET.SubElement(element, kind, type=case.status, message=escape_controls(message))
        outcome.text = escape_controls("\n".join(filter(None, [*lines, case.details])))
    return element


def _requirement(backend: BackendRecord, lane: Lane, level: int) -> ET.Element:
    name = f"{lane}:L{level} is required"
    element = ET.Element("testcase", classname=f"alae_conformance.{escape_controls(backend.name)}", name=name, time="0")
    if lane in backend.missing:
        ET.SubElement(element, "failure", type="missing", message=f"L{level} in {lane} does not hold")
    return element
