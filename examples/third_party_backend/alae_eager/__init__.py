"""ALAE on PyTorch, layer by layer: the plug-in that `--backend eager` finds."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from alae_core import BackendError

if TYPE_CHECKING:
    from alae_core import Alae, Config
    from alae_core.config import Precision
    from alae_eager.runner import EagerRunner


class EagerBackend:
    """See `alae_core.Backend`. Every method imports what it needs, for importing this module must not import Keras."""

    name: ClassVar[str] = "eager"
    keras_backend: ClassVar[str] = "torch"

    def __init__(self, device: str | None = None, precision: "Precision" = "float32") -> None:
        """PyTorch has every precision that a configuration may ask for, and none needs preparation."""
        known = self.devices()
        self.device = (device or known[0]).replace("gpu", "cuda")
        if self.device not in known:
            raise BackendError(f"PyTorch sees no device {device!r}; it sees {', '.join(known)}")
        # Keras reads this when it is first imported, and puts every variable there.
        os.environ["KERAS_TORCH_DEVICE"] = self.device

    def versions(self) -> dict[str, str]:
        """What a checkpoint records."""
        import keras
        import torch

        return {"keras": keras.__version__, "torch": torch.__version__}

    def devices(self) -> list[str]:
        """NVIDIA GPUs, and the CPU: "cpu", never "cpu:0", which Keras takes for another device and copies to."""
        import torch

        return [*(f"cuda:{index}" for index in range(torch.cuda.device_count())), "cpu"]

    def input_gradient(self, fn: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        """(fn(x), d sum(fn(x)) / dx), itself differentiable."""
        from alae_eager.runner import input_gradient

        return input_gradient(fn, x)

    def runner(self, alae: "Alae", config: "Config", *, seed: int = 0) -> "EagerRunner":
        """Start a training run."""
        from alae_eager.runner import EagerRunner

        return EagerRunner(alae, config, seed=seed)
