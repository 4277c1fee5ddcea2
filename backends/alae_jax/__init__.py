"""ALAE on JAX: the backend `jax`."""

import os
from typing import TYPE_CHECKING, ClassVar

from alae_core._support.cache import compiled_directory
from alae_core.backend import BaseBackend

if TYPE_CHECKING:
    import jax

    from alae_core.config import Precision


class JaxBackend(BaseBackend):
    """See `alae_core.Backend`: one jitted step with donated state; compiled functions are cached on disk."""

    name = "jax"
    keras_backend = "jax"
    engine = "alae_jax.runner:JaxRunner"
    exporters: ClassVar = {"stablehlo": "alae_jax.exporters:write_stablehlo"}

    def __init__(self, device: str | None = None, precision: "Precision" = "float32") -> None:
        import jax

        known = _devices()
        # JAX lists accelerators first.
        self.device = self.choose_device(device, next(iter(known)))
        jax.config.update("jax_default_device", known[self.device])
        if not (os.environ.get("JAX_COMPILATION_CACHE_DIR") or jax.config.values.get("jax_compilation_cache_dir")):
            # None, so that JAX does not warn about a directory that cannot be written.
            directory = compiled_directory("jax", jax.__version__)
            jax.config.update("jax_compilation_cache_dir", None if directory is None else str(directory))
        if precision == "float64":
            jax.config.update("jax_enable_x64", True)

    def devices(self) -> list[str]:
        return list(_devices())


def _devices() -> "dict[str, jax.Device]":
    import jax

    accelerators = jax.devices() if jax.default_backend() != "cpu" else []
    return {f"{device.platform}:{device.id}": device for device in [*accelerators, *jax.devices("cpu")]}
