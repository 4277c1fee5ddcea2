"""The processes of a run on PyTorch: one per device, joined by `torch.distributed`."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from alae_core.errors import BackendError, PeerError
from alae_core.spread import Spread

# Processes wait for each other this long when they start, and while the first one takes measures between two steps.
_START, _PAUSE = timedelta(minutes=5), timedelta(days=1)


class TorchPeers:
    """See `Peers`."""

    def __init__(self, spread: Spread, device: str) -> None:
        self.rank, self.processes = spread.rank, spread.processes
        self._device = device
        if spread.address is None:
            raise BackendError(
                "MASTER_ADDR and MASTER_PORT are not set: PyTorch needs the host and a free port of the first process"
            )
        url = f"tcp://{spread.address}?rank={self.rank}&world_size={self.processes}"
        kind = "nccl" if device.startswith("cuda") else "gloo"
        try:
            self._store = next(rendezvous(url, timeout=_START))[0]
            dist.init_process_group(
                kind,
                store=dist.PrefixStore("steps", self._store),
                rank=self.rank,
                world_size=self.processes,
                timeout=_PAUSE,
            )
            dist.barrier()
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"the {self.processes} processes cannot join at {spread.address}: {error}") from error

    def share_state(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Peers.share_state`."""
        shared = {}
        for name, array in state.items():
            tensor = torch.from_numpy(np.array(array)).to(self._device)
            dist.broadcast(tensor, src=0)
            shared[name] = tensor.cpu().numpy()
        return shared

    def mean(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the mean over all processes of each tensor, in one exchange; the tensors have one dtype and device."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        try:
            # A sum and a division, because not every engine computes means.
            dist.all_reduce(flat)
        except RuntimeError as error:
            raise PeerError(f"process {self.rank} of {self.processes} lost another process: {error}") from error
        flat /= self.processes
        parts = flat.split([tensor.numel() for tensor in tensors])
        return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]

    def publish(self, key: str, text: str) -> None:
        """See `Peers.publish`."""
        self._store.set(key, text)

    def read(self, key: str) -> str | None:
        """See `Peers.read`."""
        try:
            return self._store.get(key).decode() if self._store.check([key]) else None
        except RuntimeError as error:
            raise PeerError(f"process {self.rank} of {self.processes} lost the first process: {error}") from error
