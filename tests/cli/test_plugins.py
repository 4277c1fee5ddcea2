"""`--plugin`: a run with a file of one's own opens later, and on another machine once the file is given there."""

import pytest

from tests.cli.conftest import SMALL
from tests.helpers.commands import COMMAND_GROUP
from tests.helpers.plugins import forget_plugins, write_plugins


@pytest.fixture
def run(run_alae, tmp_path, monkeypatch):
    """Train a run with the objective of the guide, then remove the file, as in a new process."""
    forget_plugins(monkeypatch, tmp_path / "cache")
    file = write_plugins(tmp_path)["least_squares"]
    choices = [f"--set={key}={value}" for key, value in SMALL.items()]
    options = ["--preset", "digits-mlp", "--set=objective=least_squares", *choices, "--steps", 2, "--out", "run"]
    code, _, err = run_alae("train", "--plugin", file, *options)
    assert code == 0, err
    file.unlink()
    forget_plugins(monkeypatch)
    return tmp_path / "run"


def test_a_run_opens_and_resumes_by_itself_and_elsewhere_once_its_file_is_given(run, run_alae, tmp_path, monkeypatch):
    assert run_alae("generate", run, "--out", "samples.npy")[0] == 0
    assert run_alae("train", "--resume", run, "--steps", 3)[0] == 0
    forget_plugins(monkeypatch, tmp_path / "laptop")
    copy = run / "plugins" / "least_squares.py"
    code, _, err = run_alae("reconstruct", run)
    assert code == 2
    assert "never given on this machine: if you trust the author, whose code then runs, give it with --plugin" in err
    assert err.strip().endswith(f"copies in the run: --plugin {copy}")
    assert run_alae("reconstruct", run, "--plugin", copy, "--out", "images.png")[0] == 0
    forget_plugins(monkeypatch)
    assert run_alae("reconstruct", run, "--out", "images.png")[0] == 0
    forget_plugins(monkeypatch)
    copy.write_text(copy.read_text("utf-8") + "# changed\n", "utf-8")
    code, _, err = run_alae("reconstruct", run, "--plugin", copy)
    assert code == 2
    assert "was made with another version of least_squares.py" in err


def test_commands_that_build_models_take_plugins():
    def options(command):
        return {name for parameter in command.params for name in parameter.opts}

    commands = [COMMAND_GROUP, *(group for group in COMMAND_GROUP.commands.values() if hasattr(group, "commands"))]
    leaves = [each for group in commands for each in group.commands.values() if not hasattr(each, "commands")]
    assert len(leaves) > 15
    for command in leaves:
        assert ("--plugin" in options(command)) == ("--backend" in options(command) and command.name != "conform")
