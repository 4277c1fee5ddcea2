"""The framework that Keras runs on if KERAS_BACKEND is not set."""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.python import run_python


def chosen_framework(home, **environment):
    """Return KERAS_BACKEND and the default backend in a new Python process with the given home directory."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "KERAS_HOME")}
    command = "import os, alae_core.backend_lookup as p; print(os.environ['KERAS_BACKEND'], p.default_backend())"
    done = subprocess.run(
        [sys.executable, "-c", command],
        env={**inherited, "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("variable", ["KERAS_HOME", "HOME"])
def test_keras_json_is_respected(tmp_path, variable):
    home = tmp_path / ".keras" if variable == "HOME" else tmp_path / "elsewhere"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps({"backend": "torch", "floatx": "float32"}))
    environment = {} if variable == "HOME" else {"KERAS_HOME": str(home)}
    assert chosen_framework(tmp_path, **environment) == ["torch", "torch"]
    assert chosen_framework(tmp_path, KERAS_BACKEND="tensorflow", **environment) == ["tensorflow", "tensorflow"]


def test_an_empty_variable_counts_as_unset(tmp_path):
    assert chosen_framework(tmp_path, KERAS_BACKEND="") == ["jax", "jax"]


#: the file that Keras writes at its first import if there is none
DEFAULT = '{"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}'


@pytest.mark.parametrize(
    "content", [None, "", "[]", '"torch"', "{}", '{"backend": 3}', '{"backend": "no_such"}', DEFAULT]
)
def test_the_default_is_the_first_installed_framework(tmp_path, content):
    if content is not None:
        (tmp_path / "keras.json").write_text(content)
    assert chosen_framework(tmp_path, KERAS_HOME=str(tmp_path)) == ["jax", "jax"]


def test_a_running_keras_keeps_its_framework(tmp_path):
    script = (
        "import os, sys; from types import SimpleNamespace\n"
        "sys.modules['keras'] = SimpleNamespace(backend=SimpleNamespace(backend=lambda: 'torch'))\n"
        "import alae_core; print(os.environ['KERAS_BACKEND'])"
    )
    assert run_python(["-c", script], tmp_path).split() == ["torch"]


@pytest.mark.slow
def test_keras_uses_the_choice(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    inherited = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", "import alae_core, keras; print(keras.backend.backend())"],
        env={**inherited, "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["torch"]
