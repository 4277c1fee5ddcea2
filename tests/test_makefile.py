"""The Makefile's targets and CI call existing programs, modules and folders, and their commands run."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess

import pytest

from tests.conftest import REPOSITORY, call_alae
from tests.helpers.commands import parse_command

MAKEFILE = (REPOSITORY / "Makefile").read_text("utf-8")
TARGETS = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
#: options that shorten a command; they are appended, so they override the Makefile's options
SMALL = {
    "train": ["--steps", "2"],
    "ablate": ["--steps", "2"],
    "conform": ["--profile", "smoke", "--require", "jax:float32:L0"],
}


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="the tests run in one process")
def test_the_tests_of_a_file_share_a_process(request):
    """Otherwise each process makes the fixtures of a module, and compiles its models, again."""
    assert request.node.nodeid.endswith("@tests/test_makefile.py")


def commands_of(target):
    """The programs of the virtual environment that `make TARGET` calls, each as a list of words."""
    command = ["make", "--dry-run", "--always-make", "VENV=environment", target]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    text = done.stdout.replace("\\\n", " ")
    return [shlex.split(words) for words in re.findall(r"environment/bin/(.*)", text)]


def alae_commands():
    """The `alae` commands of all targets except `conform`, which CI runs."""
    lines = re.findall(r"^\t\$\(BIN\)/alae ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    commands = [" ".join(line.replace("\\\n", " ").split()) for line in lines]
    return [command for command in commands if not command.startswith("conform ")]


@needs_make
@pytest.mark.parametrize("target", TARGETS)
def test_targets_call_existing_programs_and_folders(target):
    for program, *words in commands_of(target):
        if program == "python" and words[0] != "-m":
            assert (REPOSITORY / words[0]).exists()
        elif program == "python":
            assert importlib.util.find_spec(words[1])
            folders = [word for word in words[2:] if word.startswith("tests")]
            assert all((REPOSITORY / folder).exists() for folder in folders)
        elif program == "alae":
            parse_command(shlex.join([program, *words]))
        else:
            assert program in {"pip", "ruff", "mypy", "lint-imports"}


def test_phony_targets_are_all_targets():
    assert set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) == set(TARGETS)


def test_ci_calls_targets():
    script = (REPOSITORY / ".ci" / "run").read_text("utf-8")
    called = re.findall(r"^make (.*)$", script, re.MULTILINE)
    assert set(called) <= set(TARGETS)
    assert {"lint", "test", "demo-test", "conform"} <= set(called)
    subprocess.run(["bash", "-n", REPOSITORY / ".ci" / "run"], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("line", alae_commands())
def test_commands_of_targets_run(line, tmp_path):
    code, out, err = call_alae(tmp_path, *shlex.split(line), *SMALL[shlex.split(line)[0]])
    assert code == 0, f"{out}\n{err}"
