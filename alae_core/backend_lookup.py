"""Finding backends by name, and opening them: entry points of the group "alae.backends"."""

import os
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from alae_core._support.text import short_repr
from alae_core.config import Precision
from alae_core.errors import AlaeError, BackendError
from alae_core.spread import Spread

GROUP = "alae.backends"
_OWN = ("jax", "torch", "tensorflow")
_ADVICE = "see docs/write-a-backend.md"


def installed_backends() -> dict[str, EntryPoint]:
    """Return every registered backend by name, alae's own first. Backends are not imported."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    order = [*(name for name in _OWN if name in found), *sorted(found.keys() - set(_OWN))]
    return {name: found[name] for name in order}


def find_backend(name: str) -> EntryPoint:
    """Find the backend `name` without importing it. Raises BackendError, listing those installed, if there is none."""
    installed = installed_backends()
    if name not in installed:
        raise BackendError(f"there is no backend {name!r}; installed backends: {', '.join(installed) or 'none'}")
    return installed[name]


def default_backend() -> str:
    """Return the name of the backend to use by default: KERAS_BACKEND, or the choice of `keras_choice`."""
    # alae_core sets KERAS_BACKEND if the user has not; "numpy" means that no framework is installed.
    return os.environ["KERAS_BACKEND"].replace("numpy", "jax")


def open_backend(name: str, device: str | None, precision: Precision, spread: Spread | None) -> Any:
    """Open the backend `name`, and set Keras to its framework. Raises BackendError: see `load_backend`."""
    entry = find_backend(name)
    try:
        backend = _load_class(entry)
        require_spread(name, backend, spread)
        more = () if spread is None else (spread,)
        _select_keras(name, backend.keras_backend)
        opened = backend(device, precision, *more)
        if not isinstance(getattr(opened, "device", None), str):
            raise BackendError(f"{_describe(entry)} has no `device` after it was opened: {_ADVICE}")
    except AlaeError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name:
            how = f"pip install 'alae[{name}]'" if name in _OWN else f"pip install {error.name}"
            raise BackendError(f"backend {name!r} needs {error.name}, which is not installed: {how}") from error
        raise BackendError(f"{_describe(entry)} cannot be loaded: {type(error).__name__}: {error}") from error
    return opened


def require_spread(name: str, backend: Any, spread: Spread | None) -> None:
    """Raise BackendError if several devices are requested of a backend's class that trains on one device only."""
    if spread is not None and not getattr(backend, "spreads", False):
        raise BackendError(
            f"backend {name!r} trains on one device only (docs/scaling.md): omit --devices and start one process, or "
            "use --backend jax, torch or tensorflow"
        )


def require_shared_batches(name: str) -> None:
    """Raise BackendError if the backend `name` cannot share batches between devices outside of training."""
    backend = _load_class(find_backend(name))
    if not getattr(backend, "spreads", False) or getattr(backend, "launcher", None):
        raise BackendError(
            f"backend {name!r} uses one device outside of training (docs/scaling.md): omit --devices, or use "
            "--backend jax"
        )


def _load_class(entry: EntryPoint) -> Any:
    backend = entry.load()
    if not isinstance(backend, type):
        raise BackendError(f"{_describe(entry)} is {short_repr(backend)}, but must be a class: {_ADVICE}")
    texts = [name for name in ("name", "keras_backend") if not isinstance(getattr(backend, name, None), str)]
    methods = ("versions", "devices", "input_gradient", "compile", "runner")
    missing = [*texts, *(name for name in methods if not callable(getattr(backend, name, None)))]
    if missing:
        raise BackendError(f"{_describe(entry)} lacks {', '.join(missing)}: {_ADVICE}")
    return backend


def _describe(entry: EntryPoint) -> str:
    return f"backend {entry.name!r}, loaded from {entry.value},"


def _select_keras(name: str, keras_backend: str) -> None:
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if running != keras_backend:
            raise BackendError(
                f"backend {name!r} needs Keras on {keras_backend}, but it already runs on {running} in this process: "
                f"restart Python (in a notebook, the kernel) and begin with "
                f"import os; os.environ['KERAS_BACKEND'] = '{keras_backend}', before any import of Keras"
            )
    os.environ["KERAS_BACKEND"] = keras_backend
