"""`alae conform` and `pytest --pyargs alae_conformance`, as a user runs them."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from alae_conformance.record import Report
from tests.conftest import REPOSITORY


def run(command, directory, plugins=""):
    path = os.pathsep.join(filter(None, [plugins, str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def test_a_smoke_run_writes_every_report(tmp_path):
    files = {kind: tmp_path / "reports" / f"conformance.{kind}" for kind in ("html", "json", "junit", "badge")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    found = run(["alae_cli", "conform", "--backend", "jax", "--profile", "smoke", *options], tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "jax conforms" in found.stdout
    report = Report.model_validate_json(files["json"].read_text("utf-8"))
    assert report.conforms
    assert report.profile == "smoke"
    cases = ElementTree.fromstring(files["junit"].read_text("utf-8")).findall(".//testcase")
    assert len(cases) == len(report.backends[0].cases) == 6
    assert "jax" in files["html"].read_text("utf-8")
    assert json.loads(files["badge"].read_text("utf-8"))["message"].startswith("L1 ")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--backend", "nonesuch"], "there is no backend 'nonesuch'; installed plug-ins: jax"),
        (["--backend", "jax", "--all"], "--all judges every backend: omit --backend"),
        (["--profile", "thorough"], "'thorough' is not one of"),
        (["--backend", "jax", "--xfail", "missing.toml"], "cannot read missing.toml"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, options, complaint):
    found = run(["alae_cli", "conform", *options], tmp_path)
    assert found.returncode == 2
    assert complaint in " ".join(found.stderr.replace("│", " ").split())
    assert "Traceback" not in found.stderr


def test_a_backend_that_fails_ends_with_1_and_says_where(tmp_path, faulty_plugins):
    found = run(["alae_cli", "conform", "--backend", "Refuses", "--profile", "smoke"], tmp_path, faulty_plugins)
    assert found.returncode == 1
    assert "Thursdays" in found.stdout


def test_the_cases_are_listed(tmp_path):
    found = run(["alae_cli", "conform", "--list", "--profile", "full"], tmp_path)
    assert found.returncode == 0
    assert "L4-leaky-reciprocity" in found.stdout


def test_the_pytest_plugin_judges_case_by_case(tmp_path, faulty_plugins):
    command = ["pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "alae_conformance"]
    found = run([*command, "--alae-backend", "NotANumber", "-k", "float32 and hinge"], tmp_path, faulty_plugins)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "test_case[NotANumber-float32-L1-hinge-values]" in found.stdout
    assert "has values that are not finite" in found.stdout
    # Its gradients and its steps are sound.
    assert "1 failed, 2 passed" in found.stdout


def test_the_pytest_plugin_wants_a_backend(tmp_path):
    found = run(["pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "alae_conformance"], tmp_path)
    assert found.returncode not in (0, 5)
    assert "say which backend to judge" in found.stdout + found.stderr
