"""Objects that are imported on first use, because importing them is slow."""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


class LazyModule:
    """A module that is imported when the first of its names is used."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._path), name)


#: Keras, and its operations on tensors of any framework, for plug-ins, which are loaded before a backend is chosen
keras: Any = LazyModule("keras")
ops: Any = LazyModule("keras.ops")


def load_object(path: Any) -> Any:
    """Import the object that `path` names, such as "alae_core.baselines:vae_updates"; return other objects as given."""
    if not isinstance(path, str):
        return path
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def attach_names(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make the names in a package's stub load on first use.

    The stub is `__init__.pyi` beside `file`, which type checkers and editors read too. It imports each name as
    `from package.module import Name as Name`, where Name may be a module too.

    Args:
        package: the package's `__name__`.
        file: its `__file__`.

    Returns:
        the package's `__getattr__`, `__dir__` and `__all__`.
    """
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text("utf-8"))
    imports = [statement for statement in stub.body if isinstance(statement, ast.ImportFrom)]
    modules = {alias.name: statement.module for statement in imports for alias in statement.names}
    names = sorted(modules)

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(names)}")
        module = import_module(str(modules[name]))
        return getattr(module, name) if hasattr(module, name) else import_module(f"{module.__name__}.{name}")

    return load, lambda: names, names
