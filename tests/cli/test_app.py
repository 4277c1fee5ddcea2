"""All commands: help, the version, and reports of mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

import alae_core as alae
from alae_cli.app import app
from tests.cli.conftest import BACKEND

FRAMEWORKS = {"keras", "jax", "torch", "tensorflow", "grain", "sklearn"}
#: commands that do not need a framework, or are refused before one is imported
LIGHT = [
    ["--help"],
    ["--version"],
    ["train", "--help"],
    ["figure", "mix", "--help"],
    ["presets", "list"],
    ["presets", "show", "mnist-mlp"],
    ["train", "--preset", "mnist"],
    ["generate", "mlp", "--truncation", "0.5"],
    ["generate", "mlp", "--truncation", "0.5,1"],
    ["figure", "lods", "mlp", "--lod", "0"],
    ["figure", "mix", "mlp"],
    ["figure", "mix", "style", "--layers", "none"],
    ["figure", "neighbours", "mlp", "--noise", "none"],
    ["figure", "interpolation", "mlp", "--lod", "0"],
    ["figure", "traversal", "mlp", "--truncation", "0.5"],
    ["reconstruct", "mlp", "--levels"],
    ["edit", "mlp", "photos", "--direction", "a=1", "--noise", "none"],
    ["invert", "mlp", "--layers"],
    ["directions", "fit", "mlp", "--method", "factorized"],
    ["generate", "style", "--lod", "9"],
]


def run_and_measure(directory, words):
    """Call `alae` in a new process; return its output and errors, the frameworks imported, and its CPU seconds."""
    script = (
        "import sys, time; sys.argv[0] = 'alae'\n"
        "from alae_cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('LOADED', *sorted({FRAMEWORKS} & set(sys.modules)), time.process_time())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=directory, capture_output=True, text=True, check=True
    )
    _, *loaded, seconds = done.stdout.strip().splitlines()[-1].split()
    return done.stdout + done.stderr, loaded, float(seconds)


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_help_and_refused_commands_are_quick_and_import_no_framework(runs, words):
    text, loaded, seconds = run_and_measure(runs, words)
    assert not loaded
    assert "Traceback" not in text
    # CPU time, which depends little on other load; the target is 0.5 s on an idle machine.
    assert seconds < 1.0


def test_version(run_alae):
    code, out, _ = run_alae("--version")
    assert code == 0
    assert out == f"alae {alae.__version__}\n"


def test_names_that_a_shell_put_in_the_place_of_a_pattern_are_not_all_repeated(run_alae):
    code, _, err = run_alae("data", "inspect", *(f"photos/{number}.png" for number in range(1000)))
    assert code == 2
    assert "…: give the folder of the files, or one of them; see" in err
    assert len(err) < 400


@pytest.mark.parametrize(("words", "completed"), [("alae compa", "compare"), ("alae train --res", "--resume")])
def test_a_shell_completes_commands_and_options(tmp_path, words, completed):
    typed = {"_ALAE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    script = "import sys; sys.argv[0] = 'alae'; from alae_cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **typed}, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (f"{completed}\n", "")


def list_commands(group=None, prefix=()):
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from list_commands(command, (*prefix, name))
        else:
            yield " ".join((*prefix, name)), command


COMMANDS = dict(list_commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_parameter_has_help(name):
    command = COMMANDS[name]
    assert command.help
    assert all(parameter.help for parameter in command.params if parameter.name != "help")


@pytest.mark.parametrize("name", COMMANDS)
def test_options_have_the_same_meaning_on_every_command(name):
    flags = {flag: parameter for parameter in COMMANDS[name].params for flag in parameter.opts}
    assert not {"--metrics", "--metric", "--against", "--directions", "--psi"} & set(flags)
    if "--images" in flags:
        assert flags["--images"].metavar == "N", "--images is only ever a number"
    if "--truncation" in flags:
        assert {"--lod", "--noise", "--truncation"} <= set(flags), "commands that draw samples take all three"
        assert flags["--truncation"].name == "psi", "an error about psi must name the flag"


def test_usage_errors_are_one_line_with_the_flag_the_value_and_a_hint_to_help(assert_refused):
    assert_refused(["train", "--nonsense"], "No such option: --nonsense")
    assert_refused(["push"], "Missing argument 'model'; see")
    assert_refused(["generate", "run", "--count", "0"], "--count")
    assert_refused(["generate", "run", "--seed", "-1"], "-1")
    assert_refused(
        ["directions", "fit", "run", "--method", "magic"],
        "'magic' is not one of 'svm', 'shift', 'principal', 'factorized'",
    )


def test_a_terminal_without_unicode_shows_question_marks(tmp_path):
    for i in range(2):
        Image.new("L", (8, 8)).save(tmp_path / f"{i}.png")
    run = subprocess.run(
        [sys.executable, "-m", "alae_cli", "new", str(tmp_path)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert run.returncode == 0, run.stderr
    assert b"?" in run.stdout


def test_the_error_names_a_directory_that_cannot_be_written(run_alae, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run_alae("train", "--out", "file/run", "--backend", BACKEND)
    assert (code, err) == (2, "alae: file is a file, so no run can be written to file/run: choose another --out\n")


def test_insufficient_memory_is_reported_in_one_line(assert_refused, monkeypatch):
    def allocate_too_much(*args, **kwargs):
        np.empty(2**60, np.uint8)

    monkeypatch.setattr("alae_workbench.runs.train.train", allocate_too_much)
    assert_refused(["train"], "not enough memory: Unable to allocate 1.00 EiB")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["evaluate", "run", "--measures", "psnr"], ["figure", "neighbours", "run"], ["invert", "run", "--steps", "1"]],
    ids=lambda words: words[0],
)
def test_the_requested_backend_is_used(home, words):
    """KERAS_BACKEND is unset, so Keras would start on its default framework."""
    other = next(name for name in ("torch", "jax") if name != BACKEND)
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    for backend in (other, BACKEND):
        done = subprocess.run(
            [sys.executable, "-m", "alae_cli", *words, "--backend", backend],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_output_that_cannot_be_written_is_reported():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "alae_cli", "presets", "list"], stdout=full, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (4, b"alae: input/output: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    "words",
    [
        ["generate", "run", "--out", "out.png"],
        ["generate", "run", "--out", "out.npy"],
        ["encode", "run", "--out", "out.npy"],
        ["reconstruct", "run", "--out", "out.npy"],
        ["reconstruct", "run", "--out", "out.png"],
        ["figure", "interpolation", "run", "--out", "out.png"],
    ],
    ids=" ".join,
)
def test_a_full_disk_leaves_no_output(run_alae, home, words):
    (home / f".writing-{os.getpid()}-{words[-1]}").symlink_to("/dev/full")
    code, _, err = run_alae(*words)
    assert (code, err) == (4, f"alae: {words[-1]}: No space left on device\n")
    assert not list(home.glob("*out.*"))
