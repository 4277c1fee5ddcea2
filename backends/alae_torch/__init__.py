"""ALAE on PyTorch: the backend `torch`."""

import os
from typing import TYPE_CHECKING, ClassVar

from alae_core.backend import BaseBackend

if TYPE_CHECKING:
    from alae_core.config import Precision


class TorchBackend(BaseBackend):
    """See `alae_core.Backend`: each update is traced once into a flat graph, and Adam is one fused kernel."""

    name = "torch"
    keras_backend = "torch"
    engine = "alae_torch.runner:TorchRunner"
    accelerator = "cuda"
    exporters: ClassVar = {"onnx": "alae_torch.exporters:write_onnx", "torch": "alae_torch.exporters:write_torch"}

    def __init__(self, device: str | None = None, precision: "Precision" = "float32") -> None:
        self.device = self.choose_device(device, self.devices()[0])
        # Keras reads this when it is first imported, and places every variable there. "cpu", never "cpu:0": PyTorch
        # treats these as different devices, and Keras would copy every tensor between them.
        os.environ["KERAS_TORCH_DEVICE"] = self.device

    def devices(self) -> list[str]:
        import torch

        cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        mps = ["mps:0"] if torch.backends.mps.is_available() else []
        return [*cuda, *mps, "cpu"]
