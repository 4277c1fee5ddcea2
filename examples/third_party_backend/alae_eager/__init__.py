"""ALAE on PyTorch, layer by layer: the backend `eager`."""

import os
from typing import TYPE_CHECKING

from alae_core.backend import BaseBackend

if TYPE_CHECKING:
    from alae_core.config import Precision


class EagerBackend(BaseBackend):
    """See `alae_core.Backend`. Imports are inside methods, because importing this module must not import Keras."""

    name = "eager"
    keras_backend = "torch"
    engine = "alae_eager.runner:EagerRunner"
    accelerator = "cuda"

    def __init__(self, device: str | None = None, precision: "Precision" = "float32") -> None:
        """Choose the device. PyTorch supports every precision of configurations without preparation."""
        self.device = self.choose_device(device, self.devices()[0])
        # Keras reads this when it is first imported, and places every variable there.
        os.environ["KERAS_TORCH_DEVICE"] = self.device

    def devices(self) -> list[str]:
        """NVIDIA GPUs, and "cpu". Not "cpu:0", which Keras treats as a different device and copies to."""
        import torch

        return [*(f"cuda:{index}" for index in range(torch.cuda.device_count())), "cpu"]
