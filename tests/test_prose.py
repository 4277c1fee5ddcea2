"""README and docs say what is true: their code runs, their commands parse, their paths exist."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

import alae_core as alae
from alae_cli.app import app
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text("utf-8")
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("*.md")]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = [line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("alae ")]


def test_the_python_of_the_readme_runs(tmp_path):
    # One after the other, as they stand.
    code = "\n".join(blocks("python"))
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "'reciprocity': " in found.stdout


def test_the_example_notebook_runs(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    command = [sys.executable, str(REPOSITORY / "examples" / "notebook.py")]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    *_, last = found.stdout.strip().splitlines()
    assert "step 60" in last, "it went on under another framework"


@pytest.mark.parametrize("line", commands())
def test_the_commands_of_the_readme_parse(line):
    group = typer.main.get_command(app)
    name, *words = shlex.split(line)[1:]
    command = group.commands[name]
    if hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    command.make_context(name, words)


def test_the_readme_names_every_command_and_backend():
    named = {shlex.split(line)[1] for line in commands()}
    assert named == set(typer.main.get_command(app).commands)
    assert all(backend in README.lower() for backend in alae.installed_backends())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_that_documents_name_exist(document):
    text = document.read_text("utf-8")
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert all((document.parent / path).exists() for path in linked)
    mentioned = re.findall(
        r"`((?:alae_core|backends|benchmarks|conformance|workbench|cli|tests|docs|examples)/[\w/.]+\.\w+)`", text
    )
    assert all((REPOSITORY / path).exists() for path in mentioned)
