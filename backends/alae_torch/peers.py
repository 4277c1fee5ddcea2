"""The processes of a run on PyTorch: one per device, joined by `torch.distributed`."""

from collections.abc import Hashable, Mapping
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
        self._memory = torch.empty(0)
        self._layouts: dict[Hashable, tuple[torch.Tensor, list[torch.Tensor]]] = {}
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
        """Return the mean over all processes of each tensor, in one exchange; the tensors have one dtype and device.

        The next call overwrites the results, except for scalars.
        """
        flat, parts = self._lay_out(tensors)
        for tensor, part in zip(tensors, parts, strict=True):
            # Each process divides its part before the sum, because not every engine computes means.
            torch.div(tensor, self.processes, out=part)
        try:
            dist.all_reduce(flat)
        except RuntimeError as error:
            raise PeerError(f"process {self.rank} of {self.processes} lost another process: {error}") from error
        return [part if part.ndim else part.clone() for part in parts]

    def _lay_out(self, tensors: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return an array for all tensors, and its parts with their shapes; all calls return the same memory."""
        dtype, shapes = tensors[0].dtype, tuple([tensor.shape for tensor in tensors])
        if (dtype, shapes) not in self._layouts:
            sizes = [shape.numel() for shape in shapes]
            if self._memory.dtype != dtype or len(self._memory) < sum(sizes):
                self._memory = torch.empty(sum(sizes), dtype=dtype, device=tensors[0].device)
                self._layouts.clear()
            flat = self._memory[: sum(sizes)]
            parts = [part.view(shape) for part, shape in zip(flat.split(sizes), shapes, strict=True)]
            self._layouts[dtype, shapes] = flat, parts
        return self._layouts[dtype, shapes]

    def publish(self, key: str, text: str) -> None:
        """See `Peers.publish`."""
        self._store.set(key, text)

    def read(self, key: str) -> str | None:
        """See `Peers.read`."""
        try:
            return self._store.get(key).decode() if self._store.check([key]) else None
        except RuntimeError as error:
            raise PeerError(f"process {self.rank} of {self.processes} lost the first process: {error}") from error
