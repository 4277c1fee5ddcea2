"""Workflows and the GitHub Action call targets, files and commands that exist."""

import re

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.helpers.commands import parse_command

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
ACTION = REPOSITORY / "conformance" / "action" / "action.yml"


def list_scripts(steps):
    """Return the text of each `run` of a list of steps."""
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_exists(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    scripts = [script for job in workflow["jobs"].values() for script in list_scripts(job["steps"])]
    for script in scripts:
        for target in re.findall(r"^make ([\w-]+)", script, re.MULTILINE):
            assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
        for file in re.findall(r"^(\.\S+)", script, re.MULTILINE):
            assert (REPOSITORY / file).is_file()
        for command in re.findall(r"bin/(alae \w[^\n|)]+)", script):
            parse_command(command.rstrip('"'))


def test_the_action_passes_its_inputs_to_the_suite():
    action = yaml.safe_load(ACTION.read_text("utf-8"))
    *_, script = list_scripts(action["runs"]["steps"])
    values = {name: str(value.get("default") or name) for name, value in action["inputs"].items()}
    used = set()

    def fill(match):
        used.add(match[1].lower())
        return values[match[1].lower()]

    command = script[script.index("alae conform") :].replace("\\\n", " ").replace('"', "")
    command = re.sub(r"\$\{REQUIRE:\+(.*?)\}", r"\1", command)
    command = re.sub(r"\$(\w+)", fill, command)
    assert parse_command(command) == "conform"
    assert used == {"backend", "profile", "require"}
    assert action["outputs"]["report"]["value"] in command
