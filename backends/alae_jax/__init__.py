"""ALAE on JAX: the plug-in that `--backend jax` finds."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from alae_core import BackendError

if TYPE_CHECKING:
    import jax

    from alae_core import Alae, Config
    from alae_core.config import Precision
    from alae_jax.runner import JaxRunner


class JaxBackend:
    """See `alae_core.Backend`: one jitted step, its state donated; what is compiled is kept for the next run."""

    name: ClassVar[str] = "jax"
    keras_backend: ClassVar[str] = "jax"

    def __init__(self, device: str | None = None, precision: "Precision" = "float32") -> None:
        import jax

        known = _devices()
        # JAX lists its accelerators first, so the first device is the best there is.
        self.device = device or next(iter(known))
        chosen = known.get(self.device, known.get(f"{self.device}:0"))
        if chosen is None:
            raise BackendError(f"JAX sees no device {device!r}; it sees {', '.join(known)}")
        jax.config.update("jax_default_device", chosen)
        if not (os.environ.get("JAX_COMPILATION_CACHE_DIR") or jax.config.values.get("jax_compilation_cache_dir")):
            jax.config.update("jax_compilation_cache_dir", str(_cache()))
        if precision == "float64":
            jax.config.update("jax_enable_x64", True)

    def versions(self) -> dict[str, str]:
        import jax
        import keras

        return {"keras": keras.__version__, "jax": jax.__version__}

    def devices(self) -> list[str]:
        return list(_devices())

    def input_gradient(self, fn: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        from alae_jax.runner import input_gradient

        return input_gradient(fn, x)

    def runner(self, alae: "Alae", config: "Config", *, seed: int = 0) -> "JaxRunner":
        from alae_jax.runner import JaxRunner

        return JaxRunner(alae, config, seed=seed)


def _cache() -> Path:
    """Where compiled steps are kept: a style network's takes longer to compile, at each level, than many to run."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # By host: homes are shared between machines, and what is compiled for one processor may not run on another.
    return home / "alae" / "jax" / platform.node()


def _devices() -> "dict[str, jax.Device]":
    import jax

    accelerators = jax.devices() if jax.default_backend() != "cpu" else []
    return {f"{device.platform}:{device.id}": device for device in [*accelerators, *jax.devices("cpu")]}
