"""The choice of Keras' framework if the user has not set KERAS_BACKEND."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def choose_framework() -> str:
    """Return the framework that Keras runs on, if it is imported already.

    Otherwise the one set in the user's keras.json, or else the first installed of JAX, PyTorch and TensorFlow; "numpy"
    if none is installed.
    """
    if "keras" in sys.modules:
        return str(sys.modules["keras"].backend.backend())
    try:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        chosen = json.loads((home / "keras.json").read_text("utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):  # RuntimeError: no home directory
        chosen = None
    # Keras itself writes a file with "tensorflow" if there is none, so that value is not a choice.
    first = [chosen] if isinstance(chosen, str) and chosen.isidentifier() and chosen != "tensorflow" else []
    return next((name for name in [*first, "jax", "torch", "tensorflow"] if find_spec(name)), "numpy")
