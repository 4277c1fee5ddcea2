"""`alae conform` and `pytest --pyargs alae_conformance`, run as commands."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from alae_conformance.case import cases
from alae_conformance.record import Report
from alae_conformance.selection import select
from tests.conformance.report.artificial import a_backend, a_case, a_report
from tests.conftest import REPOSITORY, call_alae


def run(command, directory, faults=""):
    path = os.pathsep.join(filter(None, [faults, str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.framework
@pytest.mark.slow
def test_a_smoke_run_writes_every_report(tmp_path):
    files = {kind: tmp_path / "reports" / f"conformance.{kind}" for kind in ("html", "json", "junit", "badge")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    found = run(["alae_cli", "conform", "--backend", "jax", "--profile", "smoke", *options], tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{len(select('smoke'))} cases on jax: about " in found.stdout
    assert "jax conforms" in found.stdout
    report = Report.model_validate_json(files["json"].read_text("utf-8"))
    assert report.conforms
    assert report.profile == "smoke"
    cases = ElementTree.fromstring(files["junit"].read_text("utf-8")).findall(".//testcase")
    assert len(cases) == len(report.backends[0].cases) == len(select("smoke"))
    assert "jax" in files["html"].read_text("utf-8")
    assert json.loads(files["badge"].read_text("utf-8"))["message"].startswith("L1 ")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--backend", "nonesuch"], "there is no backend 'nonesuch'; installed backends: jax"),
        (["--backend", "jax", "--all"], "--all judges every installed backend: omit --backend"),
        (["--profile", "thorough"], "'thorough' is not one of"),
        (["--backend", "jax", "--xfail", "missing.toml"], "cannot read missing.toml"),
        (["--backend", "jax", "--require", "float32"], "'float32' is not a claim: give each lane"),
        (["--backend", "jax", "--require", "float32:L5"], "shows at most float32:L3,float64:L3,bfloat16:L3"),
        (["--backend", "jax", "--require", "float32:L1", "--level", "1"], "it selects among its cases"),
        (["--backend", "jax", "--case", "L1-values"], "there is no case 'L1-values'"),
        (["--backend", "jax", "--lane", "float16"], "there is no lane 'float16'"),
        (["--backend", "jax", "--level", "4"], "no case is left to run"),
        (["--backend", "jax", "--level", "1", "--badge", "badge.json"], "--badge shows whole levels"),
    ],
)
def test_a_mistake_gives_one_line_and_exit_code_2(tmp_path, options, complaint):
    code, _, err = call_alae(tmp_path, "conform", *options)
    assert code == 2
    assert complaint in err
    assert len(err.splitlines()) == 1


@pytest.mark.framework
def test_a_failing_backend_gives_exit_code_1_and_the_reason(tmp_path, registered_faults):
    found = run(["alae_cli", "conform", "--backend", "Refuses", "--profile", "smoke"], tmp_path, registered_faults)
    assert found.returncode == 1
    assert "no free device" in found.stdout


@pytest.mark.slow
def test_a_missing_lane_is_a_failure_if_it_is_required(tmp_path, registered_faults):
    judged = ["alae_cli", "conform", "--backend", "OnlyFloat32", "--profile", "smoke"]
    judged += ["--lane", "float32", "--lane", "float64"]
    assert run(judged, tmp_path, registered_faults).returncode == 0, "of its own it need not have float64"
    (tmp_path / "claim.toml").write_text('[require]\nOnlyFloat32 = "float32:L1,float64:L1"', "utf-8")
    found = run([*judged, "--xfail", "claim.toml", "--junit", "report.xml"], tmp_path, registered_faults)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "OnlyFloat32 does not conform: required: L1 in float64" in found.stdout
    failures = ElementTree.fromstring((tmp_path / "report.xml").read_text("utf-8")).findall(".//failure")
    assert [failure.get("message") for failure in failures] == ["L1 in float64 does not hold"]


def test_the_cases_are_listed(tmp_path):
    found = run(["alae_cli", "conform", "--list", "--profile", "full"], tmp_path)
    assert found.returncode == 0
    assert "L4-leaky-reciprocity" in found.stdout
    # A case that reads checkpoints also selects the case that writes them.
    found = run(["alae_cli", "conform", "--list", "--case", "L5-leaky-peers"], tmp_path)
    assert [line.split()[0] for line in found.stdout.splitlines() if line.startswith("L")] == [
        "L5-leaky-checkpoint",
        "L5-leaky-peers",
    ]


@pytest.mark.slow
def test_the_pytest_plugin_judges_case_by_case(tmp_path, registered_faults):
    command = ["pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "alae_conformance"]
    judged = ["--alae-lane", "float32", "--alae-case", "L1-hinge-values", "--alae-case", "L2-hinge-gradients"]
    found = run([*command, "--alae-backend", "NotANumber", *judged], tmp_path, registered_faults)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "test_case[NotANumber-float32-L1-hinge-values]" in found.stdout
    assert "has values that are not finite" in found.stdout
    # Its gradients are correct.
    assert "1 failed, 1 passed" in found.stdout


@pytest.mark.slow
def test_the_pytest_plugin_selects_and_requires(tmp_path, registered_faults):
    command = [
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--pyargs",
        "alae_conformance",
        "--alae-backend",
        "OnlyFloat32",
    ]
    lanes = ["--alae-lane", "float32", "--alae-lane", "float64"]
    found = run([*command, *lanes, "--alae-case", "L1-hinge-values"], tmp_path, registered_faults)
    assert "1 passed, 1 skipped" in found.stdout
    required = ["--alae-require", "float64:L1", "-k", "L1-large-values"]
    found = run([*command, *lanes, *required], tmp_path, registered_faults)
    assert "1 failed, 1 passed" in found.stdout
    assert "this backend has no float64" in found.stdout


def test_the_pytest_plugin_requires_a_backend(tmp_path):
    found = run(["pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "alae_conformance"], tmp_path)
    assert found.returncode not in (0, 5)
    assert "no backend was given: pytest --pyargs alae_conformance --alae-backend NAME" in found.stdout + found.stderr


def test_two_reports_are_compared(tmp_path):
    for name, but in (("old", []), ("new", [a_case("L2-leaky-gradients", status="failed")])):
        report = a_report(a_backend("jax", but, with_curves=False), with_curves=False)
        (tmp_path / f"{name}.json").write_text(report.model_dump_json())
    code, out, _ = call_alae(tmp_path, "conform", "compare", "old.json", "new.json")
    assert code == 1
    assert "L2-leaky-gradients  passed → failed" in out
    code, out, _ = call_alae(tmp_path, "conform", "compare", "new.json", "old.json")
    assert code == 0
    assert call_alae(tmp_path, "conform", "compare", "old.json", "none.json")[2] == (
        "alae: none.json: No such file or directory\n"
    )


@pytest.mark.framework
@pytest.mark.slow
def test_margins_of_two_runs_are_measured(tmp_path):
    chosen = [cases()[f"L1-{fixture}-values"] for fixture in ("hinge", "large")]
    found = run(["alae_conformance.margins", "2", "torch", "--case", *(case.id for case in chosen)], tmp_path)
    lines = found.stdout.splitlines()
    assert lines[:2] == [f"{case.fixture}: {2 * len(case.lanes)} cases, failures: none" for case in chosen]
    assert [line.split()[:2] for line in lines[2:]] == [["value", "float32"], ["value", "float64"]]
