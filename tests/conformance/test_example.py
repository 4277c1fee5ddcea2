"""The example backend conforms, and docs/write-a-backend.md quotes it in full."""

import tomllib

import pytest

from alae_conformance.suite import conform
from tests.conftest import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "third_party_backend"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize(
    ("language", "file"),
    [("toml", "pyproject.toml"), ("python", "alae_eager/__init__.py"), ("python", "alae_eager/runner.py")],
)
def test_the_document_quotes_the_example_in_full(language, file):
    document = (REPOSITORY / "docs" / "write-a-backend.md").read_text("utf-8")
    assert f"`{file}`:\n\n```{language}\n{(EXAMPLE / file).read_text('utf-8')}```\n" in document


@pytest.mark.slow
def test_the_example_conforms(tmp_path, monkeypatch):
    # The metadata that `pip install` would write: child processes inherit the path and find the entry point.
    name, version, entries = PROJECT["name"], PROJECT["version"], PROJECT["entry-points"]["alae.backends"]
    installed = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    lines = ["[alae.backends]", *(" = ".join(entry) for entry in entries.items())]
    (installed / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    for directory in (tmp_path, EXAMPLE):
        monkeypatch.syspath_prepend(directory)
    report = conform(list(entries), "smoke")
    assert report.conforms
    assert {(case.lane, case.status) for case in report.backends[0].cases} == {("float32", "passed")}
