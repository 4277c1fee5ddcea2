"""ALAE on PyTorch: the backend `torch`."""

import os
from typing import TYPE_CHECKING, ClassVar

from alae_core.backend import BaseBackend
from alae_core.spread import require_process_per_device

if TYPE_CHECKING:
    from alae_core.config import Precision
    from alae_core.spread import Spread
    from alae_torch.peers import TorchPeers


class TorchBackend(BaseBackend):
    """See `alae_core.Backend`: each update is traced once into a flat graph, and Adam is one fused kernel."""

    name = "torch"
    keras_backend = "torch"
    engine = "alae_torch.runner:TorchRunner"
    accelerator = "cuda"
    exporters: ClassVar = {"onnx": "alae_torch.exporters:write_onnx", "torch": "alae_torch.exporters:write_torch"}
    spreads = True
    launcher = "alae_torch.launch"
    peers: "TorchPeers | None" = None

    def __init__(
        self, device: str | None = None, precision: "Precision" = "float32", spread: "Spread | None" = None
    ) -> None:
        default = self.devices()[0]
        if spread is not None and (device or default) in ("gpu", "cuda", "cuda:0"):
            device = f"cuda:{spread.local_rank}"
        self.device = self.choose_device(device, default)
        # Keras reads this when it is first imported, and places every variable there. "cpu", never "cpu:0": PyTorch
        # treats these as different devices, and Keras would copy every tensor between them.
        os.environ["KERAS_TORCH_DEVICE"] = self.device
        if spread is not None:
            self._join(spread)

    def devices(self) -> list[str]:
        import torch

        cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        mps = ["mps:0"] if torch.backends.mps.is_available() else []
        return [*cuda, *mps, "cpu"]

    def _join(self, spread: "Spread") -> None:
        require_process_per_device(spread, "PyTorch")
        if spread.processes > 1:
            import torch

            from alae_torch.peers import TorchPeers

            if self.device.startswith("cuda"):
                torch.cuda.set_device(self.device)
            self.peers, self.device_count = TorchPeers(spread, self.device), spread.processes
