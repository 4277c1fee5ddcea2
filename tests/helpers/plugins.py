"""Plug-ins for tests: the code of docs/your-own.md, and processes that have loaded none."""

import re

from alae_core import plugin_code
from tests.conftest import REPOSITORY


def write_plugins(directory):
    """Write the files of docs/your-own.md into a directory; returns their paths by name, without ".py"."""
    text = (REPOSITORY / "docs" / "your-own.md").read_text("utf-8")
    files = {}
    for name, code in re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        files[name] = directory / f"{name}.py"
        files[name].write_text(code, "utf-8")
    return files


def forget_plugins(monkeypatch, cache=None):
    """Let this process be like a new one, on a machine with another cache if `cache` is given."""
    monkeypatch.setattr(plugin_code, "_LOADED", {})
    monkeypatch.setattr(plugin_code, "_GIVEN", [])
    if cache is not None:
        monkeypatch.setenv("ALAE_CACHE", str(cache))
