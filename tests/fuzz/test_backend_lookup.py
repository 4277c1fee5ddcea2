"""Broken backends, and objects that are not backends: each gives an error of one line."""

import os
import sys
from importlib.metadata import EntryPoint

from alae_core import backend_lookup, framework, load_backend
from tests.fuzz import attempt, cases
from tests.fuzz.hostile import TEXTS, pick

HEAD = f"""
from alae_core.backend import Backend
class Raises(type):
    def __getattribute__(self, name): raise RuntimeError("two\\nlines\\0")
class Broken(Backend):
    name, keras_backend, device = "mine", {os.environ["KERAS_BACKEND"]!r}, "cpu"
    def __init__(self, device=None, precision="float32"): pass
"""
MODULE = [
    *(
        "import nowhere",
        "from os import nothing",
        "import os.nowhere",
        "from . import x",
        "raise SystemExit(0)",
        "1 / 0",
    ),
    *("raise SystemExit('x\\n' * 999)", "def f(:", "del Broken", "raise MemoryError", "raise BaseExceptionGroup", "\0"),
    *(
        "Broken = None",
        "Broken = Broken()",
        "def Broken(*of): pass",
        "class Broken: pass",
        "class Broken(metaclass=Raises): pass",
    ),
    *(
        "def f(): return f()\nf()",
        "raise ModuleNotFoundError",
        "raise ImportError(name='\\n')",
        "exit()",
        "Broken.name = 3",
    ),
    *(
        "import warnings; warnings.warn('old')",
        "Broken = int",
        "Broken = Exception",
        "raise AlaeError",
        "import importlib",
    ),
]
VALUES = [
    "None",
    "3",
    "{}",
    "'x'",
    "'two\\nlines'",
    "[]",
    "property(lambda self: 1 / 0)",
    "type",
    "lambda *of: 1 / 0",
    "exit",
]
NAMES = [
    "name",
    "keras_backend",
    "device",
    "versions",
    "devices",
    "input_gradient",
    "compile",
    "runner",
    "__init__",
    "__new__",
]
ENTRIES = [
    "broken:Broken",
    "broken",
    "broken:",
    "broken:Broken.x",
    ":",
    "",
    "nowhere:Broken",
    "broken:name",
    "a b",
    "os:path",
]


def write_source(random):
    lines = [HEAD, *(f"    {pick(random, NAMES)} = {pick(random, VALUES)}" for _ in range(random.integers(4)))]
    if random.random() < 0.6:
        lines.append(pick(random, MODULE) if random.random() < 0.9 else pick(random, TEXTS))
    return "\n".join(lines)


def test_broken_backends(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("KERAS_BACKEND", os.environ["KERAS_BACKEND"])
    monkeypatch.setattr(framework, "_opened", [])
    for case, random in cases():
        (tmp_path / "broken.py").write_text(write_source(random), "utf-8")
        monkeypatch.delitem(sys.modules, "broken", raising=False)
        value = ENTRIES[0] if random.random() < 0.8 else pick(random, ENTRIES)
        entry = EntryPoint("mine", value, backend_lookup.GROUP)
        monkeypatch.setattr(backend_lookup, "installed_backends", lambda entry=entry: {"mine": entry})
        attempt(lambda: load_backend("mine"), about=f"case {case}")
