"""ALAE on JAX: the backend `jax`."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from alae_core._support.cache import compiled_directory
from alae_core.backend import BaseBackend
from alae_core.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import jax

    from alae_core.config import Precision
    from alae_core.spread import Devices, Spread


class JaxBackend(BaseBackend):
    """See `alae_core.Backend`: one jitted step with donated state; compiled functions are cached on disk.

    Attributes:
        mesh: all devices that train together, along the axis "rows"; None for one device.
    """

    name = "jax"
    keras_backend = "jax"
    engine = "alae_jax.runner:JaxRunner"
    exporters: ClassVar = {"stablehlo": "alae_jax.exporters:write_stablehlo"}
    spreads = True

    def __init__(
        self, device: str | None = None, precision: "Precision" = "float32", spread: "Spread | None" = None
    ) -> None:
        import jax

        self.mesh: jax.sharding.Mesh | None = None
        if spread is not None:
            self._prepare(spread)
        known = _devices()
        # JAX lists accelerators first.
        self.device = self.choose_device(device, next(iter(known)))
        jax.config.update("jax_default_device", known[self.device])
        if spread is not None:
            self._spread(spread.devices, known[self.device])
        if not (os.environ.get("JAX_COMPILATION_CACHE_DIR") or jax.config.values.get("jax_compilation_cache_dir")):
            # None, so that JAX does not warn about a directory that cannot be written.
            directory = compiled_directory("jax", jax.__version__)
            jax.config.update("jax_compilation_cache_dir", None if directory is None else str(directory))
        if precision == "float64":
            jax.config.update("jax_enable_x64", True)

    def devices(self) -> list[str]:
        return list(_devices())

    def compile(self, fn: "Callable[..., Any]") -> "Callable[..., Any]":
        """See `Framework`."""
        # Not over the devices of other processes, which compute something else or wait.
        return self._engine().compile_function(fn, None if self.peers else self.mesh)

    def _prepare(self, spread: "Spread") -> None:
        """Join other processes, and let a CPU count as several devices, before JAX looks for devices."""
        import jax

        if spread.processes > 1:
            from alae_jax.peers import JaxPeers

            self.peers = JaxPeers(spread)
        elif spread.devices != "all":
            # JAX refuses if it has found its devices already; then there are as many as it has found.
            with suppress(RuntimeError):
                jax.config.update("jax_num_cpu_devices", spread.devices)

    def _spread(self, count: "Devices", first: "jax.Device") -> None:
        import jax

        found = jax.devices(first.platform)
        if count == "all" or (count == len(found) and self.peers):
            chosen = found
        elif self.peers:
            raise BackendError(f"--devices is {count}, but the {self.peers.processes} processes have {len(found)}")
        else:
            if len(found) < count:
                raise BackendError(f"--devices is {count}, but JAX has {len(found)} of the kind {first.platform}")
            chosen = found[:count]
        self.device_count = len(chosen)
        if len(chosen) > 1:
            self.mesh = jax.sharding.Mesh(chosen, ("rows",))


def _devices() -> "dict[str, jax.Device]":
    import jax

    accelerators = jax.local_devices() if jax.default_backend() != "cpu" else []
    cpus = jax.local_devices(backend="cpu")
    # By number in this process: JAX numbers those of all processes that train together.
    return {
        f"{device.platform}:{number}": device for found in (accelerators, cpus) for number, device in enumerate(found)
    }
