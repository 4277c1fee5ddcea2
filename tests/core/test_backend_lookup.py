"""Finding and opening backends: errors name the missing package and the command that installs it."""

import os
import sys
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import alae_core as alae
from alae_core import backend_lookup

KERAS = os.environ["KERAS_BACKEND"]


def test_alaes_own_backends_are_registered():
    assert list(alae.installed_backends())[:3] == ["jax", "torch", "tensorflow"]


def test_an_unknown_backend_is_refused_listing_the_installed_ones():
    with pytest.raises(alae.BackendError, match=r"no backend .tpu.; installed backends: jax, torch, tensorflow"):
        alae.load_backend("tpu")


def test_keras_cannot_change_framework_within_a_process(backend):
    import_module("keras")
    other = "torch" if backend.name != "torch" else "jax"
    with pytest.raises(alae.BackendError, match=f"needs Keras on {other}, but it already runs on {backend.name}") as no:
        alae.load_backend(other)
    assert f"os.environ['KERAS_BACKEND'] = '{other}'" in str(no.value), "the remedy can be copied"


def test_a_missing_framework_names_the_install_command(monkeypatch):
    broken = EntryPoint("jax", "a_framework_that_is_not_there:Backend", backend_lookup.GROUP)
    monkeypatch.setattr(backend_lookup, "installed_backends", lambda: {"jax": broken})
    with pytest.raises(alae.BackendError, match=r"not installed: pip install 'alae\[jax\]'"):
        alae.load_backend("jax")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("class B(: pass", "cannot be loaded: SyntaxError: invalid syntax"),
        ("from os import nothing", "cannot be loaded: ImportError: cannot import name 'nothing' from 'os'"),
        ("A = 3", "cannot be loaded: AttributeError: module 'broken' has no attribute 'B'"),
        ("raise SystemExit(0)", "cannot be loaded: SystemExit: 0"),
        ("raise ModuleNotFoundError('of no name')", "cannot be loaded: ModuleNotFoundError: of no name"),
        ("def B(device, precision): pass", "is <function B at .*>, but must be a class"),
        ("class B: name = 'mine'", "lacks keras_backend, versions, devices, input_gradient, compile, runner: see"),
        ("class B(Base): versions = {}", "lacks versions: see"),
        ("class B(Base):\n def __init__(self, *of): raise SystemExit(0)", "cannot be loaded: SystemExit: 0"),
        ("class B(Base):\n def __init__(self, *of): 1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("class B(Base):\n def __init__(self, *of): pass", "has no `device` after it was opened"),
    ],
)
def test_broken_backends_are_named(tmp_path, monkeypatch, source, complaint):
    base = f"from alae_core.backend import Backend\nclass Base(Backend): name, keras_backend = 'mine', {KERAS!r}\n"
    Path(tmp_path, "broken.py").write_text(base + source, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    entry = EntryPoint("mine", "broken:B", backend_lookup.GROUP)
    monkeypatch.setattr(backend_lookup, "installed_backends", lambda: {"mine": entry})
    with pytest.raises(alae.BackendError, match=f"^backend 'mine', loaded from broken:B, {complaint}"):
        alae.load_backend("mine")
