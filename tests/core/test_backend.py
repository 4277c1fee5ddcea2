"""Finding and loading plug-ins: what is missing is named, with what would bring it; and what each must do alone."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

import alae_core as alae
from alae_core import backend as contract
from alae_core.networks import features
from tests.tolerances import FLOAT32

KERAS = os.environ["KERAS_BACKEND"]


def test_alaes_own_plugins_are_registered():
    assert list(alae.installed_backends())[:3] == ["jax", "torch", "tensorflow"]


def test_an_unknown_backend_names_those_there_are():
    with pytest.raises(alae.BackendError, match=r"no backend .tpu.; installed plug-ins: jax, torch, tensorflow"):
        alae.load_backend("tpu")


def test_keras_cannot_change_framework_within_a_process(backend):
    other = "torch" if backend.name != "torch" else "jax"
    with pytest.raises(alae.BackendError, match=f"needs Keras on {other}, but it already runs on {backend.name}"):
        alae.load_backend(other)


def test_a_missing_framework_names_the_install(monkeypatch):
    broken = EntryPoint("jax", "a_framework_that_is_not_there:Backend", contract.GROUP)
    monkeypatch.setattr(contract, "installed_backends", lambda: {"jax": broken})
    with pytest.raises(alae.BackendError, match=r"not installed: pip install 'alae\[jax\]'"):
        alae.load_backend("jax")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("class B(: pass", "cannot be loaded: SyntaxError: invalid syntax"),
        ("from os import nothing", "cannot be loaded: ImportError: cannot import name 'nothing' from 'os'"),
        ("A = 3", "cannot be loaded: AttributeError: module 'plugin' has no attribute 'B'"),
        ("raise SystemExit(0)", "cannot be loaded: SystemExit: 0"),
        ("raise ModuleNotFoundError('of no name')", "cannot be loaded: ModuleNotFoundError: of no name"),
        ("def B(device, precision): pass", "is <function B at .*>, but should be a class"),
        ("class B: name = 'mine'", "lacks keras_backend, versions, devices, input_gradient, compile, runner: see"),
        ("class B(Base): versions = {}", "lacks versions: see"),
        ("class B(Base):\n def __init__(self, *of): raise SystemExit(0)", "cannot be loaded: SystemExit: 0"),
        ("class B(Base):\n def __init__(self, *of): 1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("class B(Base):\n def __init__(self, *of): pass", "says no `device` once it is open"),
    ],
)
def test_a_plugin_that_is_none_is_named(tmp_path, monkeypatch, source, complaint):
    base = f"from alae_core.backend import Backend\nclass Base(Backend): name, keras_backend = 'mine', {KERAS!r}\n"
    Path(tmp_path, "plugin.py").write_text(base + source, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plugin", raising=False)
    entry = EntryPoint("mine", "plugin:B", contract.GROUP)
    monkeypatch.setattr(contract, "installed_backends", lambda: {"mine": entry})
    with pytest.raises(alae.BackendError, match=f"^backend 'mine', the plug-in plugin:B, {complaint}"):
        alae.load_backend("mine")


def test_an_absent_device_names_those_there_are():
    with pytest.raises(alae.BackendError, match=r"sees no device 'gpu:77'; it sees .*cpu"):
        alae.load_backend(os.environ["KERAS_BACKEND"], device="gpu:77")


def test_the_device_can_be_chosen(backend):
    chosen = alae.load_backend(backend.name, device="cpu")
    assert "cpu" in chosen.device
    assert chosen.device in chosen.devices() or f"{chosen.device}:0" in chosen.devices()


def test_losses_are_read_when_asked_for():
    class Scalar:
        def __float__(self):
            return 2.5

    losses = alae.Losses({"generator": Scalar()})
    assert dict(losses) == {"generator": 2.5}


# ---- which framework -------------------------------------------------------------------------------------------------


def chosen_framework(home, **environment):
    """What a fresh Python takes for KERAS_BACKEND and for the default backend, where the user has this keras.json."""
    inherited = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "KERAS_HOME")}
    command = "import os, alae_core.backend as b; print(os.environ['KERAS_BACKEND'], b.default_backend())"
    done = subprocess.run(
        [sys.executable, "-c", command],
        env={**inherited, "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("variable", ["KERAS_HOME", "HOME"])
def test_a_users_keras_json_is_honoured(tmp_path, variable):
    home = tmp_path / ".keras" if variable == "HOME" else tmp_path / "elsewhere"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps({"backend": "torch", "floatx": "float32"}))
    environment = {} if variable == "HOME" else {"KERAS_HOME": str(home)}
    assert chosen_framework(tmp_path, **environment) == ["torch", "torch"]
    assert chosen_framework(tmp_path, KERAS_BACKEND="tensorflow", **environment) == ["tensorflow", "tensorflow"]


#: what Keras itself writes, at its first import, where there is no file
DEFAULT = '{"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}'


@pytest.mark.parametrize(
    "content", [None, "", "[]", '"torch"', "{}", '{"backend": 3}', '{"backend": "no_such"}', DEFAULT]
)
def test_without_a_word_of_the_users_it_is_the_first_framework_installed(tmp_path, content):
    if content is not None:
        (tmp_path / "keras.json").write_text(content)
    assert chosen_framework(tmp_path, KERAS_HOME=str(tmp_path)) == ["jax", "jax"]


def test_keras_itself_follows(tmp_path):
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


# ---- which backend is in use -----------------------------------------------------------------------------------------


def test_the_backend_in_use_is_the_one_opened_last(backend, monkeypatch):
    opened = alae.load_backend(backend.name)
    assert contract.backend_in_use() is opened
    # In a notebook nobody may have opened one: it is that of the framework that Keras runs on.
    monkeypatch.setattr(contract, "_opened", [])
    assert contract.backend_in_use().name == backend.name


@pytest.mark.parametrize(("device", "expected"), [("cpu:0", True), ("cpu", True), ("cuda:0", False), ("gpu:0", False)])
def test_convolutions_suit_the_device_that_was_chosen(backend, monkeypatch, device, expected):
    """Not the first device there is: on a machine with a GPU a person may have asked for the CPU."""
    monkeypatch.setattr(features, "backend_in_use", lambda: SimpleNamespace(device=device))
    assert features._is_jax_on_cpu() == (expected and keras.backend.backend() == "jax")


def test_a_backend_is_shown_in_a_line(backend):
    assert repr(backend).startswith(f"<backend {backend.name} on {backend.device}: keras {keras.__version__}, ")
    assert "\n" not in repr(backend)


# ---- what each compiles ----------------------------------------------------------------------------------------------


def test_a_compiled_function_is_traced_once_for_each_shape_and_sees_other_values(backend):
    traces = []

    def fn(weights, x, rows):
        traces.append(tuple(x.shape))
        return ops.matmul(x, weights["kernel"]) + rows[0]

    compiled, rng = backend.compile(fn), np.random.default_rng(0)
    for count in (3, 3, 2, 3, 2):
        kernel, x, row = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 5), (count, 4), (5,)))
        found = compiled({"kernel": tensor(kernel)}, tensor(x), [tensor(row)])
        np.testing.assert_allclose(ops.convert_to_numpy(found), x @ kernel + row, **FLOAT32)
    assert set(traces) == {(3, 4), (2, 4)}
    assert len(traces) == 2


def tensor(array):
    return ops.convert_to_tensor(array)
