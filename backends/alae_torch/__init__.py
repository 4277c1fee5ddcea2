"""ALAE on PyTorch: the plug-in that `--backend torch` finds."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from alae_core import BackendError

if TYPE_CHECKING:
    from alae_core import Alae, Config
    from alae_core.config import Precision
    from alae_torch.runner import TorchRunner


class TorchBackend:
    """See `alae_core.Backend`: each update traced once into a flat graph, Adam in one fused kernel."""

    name: ClassVar[str] = "torch"
    keras_backend: ClassVar[str] = "torch"

    def __init__(self, device: str | None = None, precision: "Precision" = "float32") -> None:
        known = self.devices()
        wanted = (device or known[0]).replace("gpu", "cuda")
        self.device = wanted if wanted in known else f"{wanted}:0"
        if self.device not in known:
            raise BackendError(f"PyTorch sees no device {device!r}; it sees {', '.join(known)}")
        # Keras reads this when it is first imported, and puts every variable there. It is "cpu", never "cpu:0":
        # PyTorch takes the two for different devices, and Keras would copy every tensor from one to the other.
        os.environ["KERAS_TORCH_DEVICE"] = self.device

    def versions(self) -> dict[str, str]:
        import keras
        import torch

        return {"keras": keras.__version__, "torch": torch.__version__}

    def devices(self) -> list[str]:
        import torch

        cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        mps = ["mps:0"] if torch.backends.mps.is_available() else []
        return [*cuda, *mps, "cpu"]

    def input_gradient(self, fn: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        from alae_torch.runner import input_gradient

        return input_gradient(fn, x)

    def runner(self, alae: "Alae", config: "Config", *, seed: int = 0) -> "TorchRunner":
        from alae_torch.runner import TorchRunner

        return TorchRunner(alae, config, seed=seed)
