"""The processes of a run on JAX, joined by `jax.distributed`."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax._src.distributed import global_state  # holds the client of JAX's key-value store, which has no public name

from alae_core.errors import BackendError, PeerError
from alae_core.spread import Spread

# Seconds until a process that has been killed counts as lost.
_HEARTBEAT = 30


class JaxPeers:
    """See `Peers`."""

    def __init__(self, spread: Spread) -> None:
        # Its handler of SIGTERM would replace the command line's.
        jax.config.update("jax_enable_preemption_service", False)
        address = None
        if spread.address is not None:
            # The next port, because torchrun itself listens at this one.
            host, _, port = spread.address.rpartition(":")
            address = f"{host}:{int(port) + 1}"
        try:
            jax.distributed.initialize(
                address,
                spread.processes,
                spread.rank,
                # One process per accelerator, as for PyTorch.
                local_device_ids=[spread.local_rank],
                heartbeat_timeout_seconds=_HEARTBEAT,
            )
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"the {spread.processes} processes cannot join: {error}") from error
        self.rank, self.processes = spread.rank, spread.processes
        self._store: Any = global_state.client

    def share_state(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Peers.share_state`."""
        from jax.experimental.multihost_utils import broadcast_one_to_all

        try:
            shared = broadcast_one_to_all(dict(state))
        except jax.errors.JaxRuntimeError as error:
            raise PeerError(f"process {self.rank} of {self.processes} lost another process: {error}") from error
        # Integers of 64 bits lose half of them on the way.
        return {name: np.array(array, state[name].dtype) for name, array in shared.items()}

    def publish(self, key: str, text: str) -> None:
        """See `Peers.publish`."""
        self._store.key_value_set(f"alae/{key}", text or " ", allow_overwrite=True)

    def read(self, key: str) -> str | None:
        """See `Peers.read`."""
        try:
            return self._store.key_value_try_get(f"alae/{key}")
        except jax.errors.JaxRuntimeError as error:
            if "NOT_FOUND" in str(error):
                return None
            raise PeerError(f"process {self.rank} of {self.processes} lost the first process: {error}") from error
