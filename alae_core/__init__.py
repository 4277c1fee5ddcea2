"""The specification of Adversarial Latent Autoencoders: what ALAE is, in Keras 3, whatever framework runs it.

Names load on first use, so that reading a configuration or printing help never imports Keras.
"""

import json
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any


def _framework() -> str:
    """What Keras is to run on where KERAS_BACKEND says nothing: what the user's keras.json says, or what is there."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        chosen = json.loads((home / "keras.json").read_text("utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        chosen = None
    # Keras itself writes a file that says tensorflow, where nobody has chosen.
    first = [chosen] if isinstance(chosen, str) and chosen.isidentifier() and chosen != "tensorflow" else []
    return next((name for name in [*first, "jax", "torch", "tensorflow"] if find_spec(name)), "numpy")


# Keras picks its framework when first imported, and assumes TensorFlow where nothing is said.
if "KERAS_BACKEND" not in os.environ:
    os.environ["KERAS_BACKEND"] = _framework()

if TYPE_CHECKING:
    from alae_core.backend import Backend as Backend
    from alae_core.backend import Losses as Losses
    from alae_core.backend import Runner as Runner
    from alae_core.backend import load_backend as load_backend
    from alae_core.checkpoint import Checkpoint as Checkpoint
    from alae_core.checkpoint import load as load
    from alae_core.checkpoint import load_checkpoint as load_checkpoint
    from alae_core.checkpoint import save_checkpoint as save_checkpoint
    from alae_core.config import Config as Config
    from alae_core.config import Updates as Updates
    from alae_core.config import load_config as load_config
    from alae_core.config import preset_names as preset_names
    from alae_core.draws import Draws as Draws
    from alae_core.errors import AlaeError as AlaeError
    from alae_core.errors import ArgumentError as ArgumentError
    from alae_core.errors import BackendError as BackendError
    from alae_core.errors import CheckpointError as CheckpointError
    from alae_core.errors import ConfigError as ConfigError
    from alae_core.model import Alae as Alae
    from alae_core.model import build as build
    from alae_core.plugins import installed_backends as installed_backends
    from alae_core.updates import Batch as Batch
    from alae_core.updates import Update as Update
    from alae_core.updates import updates_of as updates_of
    from alae_core.view import View as View

_HOME = {
    "Alae": "model",
    "AlaeError": "errors",
    "ArgumentError": "errors",
    "Backend": "backend",
    "BackendError": "errors",
    "Batch": "updates",
    "Checkpoint": "checkpoint",
    "CheckpointError": "errors",
    "Config": "config",
    "ConfigError": "errors",
    "Draws": "draws",
    "Losses": "backend",
    "Runner": "backend",
    "Update": "updates",
    "Updates": "config",
    "View": "view",
    "build": "model",
    "installed_backends": "plugins",
    "load": "checkpoint",
    "load_backend": "backend",
    "load_checkpoint": "checkpoint",
    "load_config": "config",
    "preset_names": "config",
    "save_checkpoint": "checkpoint",
    "updates_of": "updates",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'alae_core' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"alae_core.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
