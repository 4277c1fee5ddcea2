"""Skipping packages that Keras and TensorFlow import if they are installed, which takes them a second or more."""

import sys
from typing import Any

_PACKAGES = ("jax", "matplotlib", "sklearn")
#: the modules that try to import them, for features that alae does not use
_IMPORTERS = ("keras.src.callbacks.", "keras.src.visualization.", "keras.src.wrappers.", "tensorflow.lite.python.")


def skip_unused_imports() -> None:
    """Let Keras start as it does where these packages are not installed; other modules can import them as ever.

    Keras then has no wrappers for scikit-learn and no plots, so call this only in alae's own processes, before Keras is
    imported.
    """
    if _Absent not in sys.meta_path:
        sys.meta_path.insert(0, _Absent)


class _Absent:
    """A finder, which Python asks for each module that has not been imported yet."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name in _PACKAGES and _find_importer().startswith(_IMPORTERS):
            raise ModuleNotFoundError(f"{name} is not imported here, see {__name__}", name=name)


def _find_importer() -> str:
    """Return the name of the module that asks `_Absent` for another one."""
    frame = sys._getframe(2)
    while frame.f_back and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))
