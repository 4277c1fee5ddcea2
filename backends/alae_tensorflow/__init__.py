"""ALAE on TensorFlow: the backend `tensorflow`."""

import os
from typing import TYPE_CHECKING, ClassVar

from alae_core.backend import BaseBackend
from alae_core.spread import require_process_per_device

if TYPE_CHECKING:
    from alae_core.config import Precision
    from alae_core.spread import Spread
    from alae_tensorflow.peers import TensorflowPeers


class TensorflowBackend(BaseBackend):
    """See `alae_core.Backend`: one `tf.function` step, of which XLA compiles all, or the parts between exchanges."""

    name = "tensorflow"
    keras_backend = "tensorflow"
    engine = "alae_tensorflow.runner:TensorflowRunner"
    exporters: ClassVar = {
        "saved_model": "alae_tensorflow.exporters:write_saved_model",
        "litert": "alae_tensorflow.exporters:write_litert",
    }
    spreads = True
    launcher = "alae_tensorflow.launch"
    peers: "TensorflowPeers | None" = None

    def __init__(
        self, device: str | None = None, precision: "Precision" = "float32", spread: "Spread | None" = None
    ) -> None:
        # Hides start-up notices about the build of TensorFlow; warnings still appear.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        import tensorflow as tf

        # TensorFlow's remapper prints an error if two operations read a convolution, as in residual blocks. Inference
        # takes as long without it: 12.6 ms of CPU time to encode 64 digits with mnist-conv.
        tf.config.optimizer.set_experimental_options({"remapping": False})
        # TensorFlow lists the CPU first, and accelerators last.
        default = self.devices()[-1]
        if spread is not None and (device or default).startswith("gpu"):
            device = f"gpu:{spread.local_rank}"
        self.device = self.choose_device(device, default)
        kind, index = self.device.split(":")
        if kind == "cpu":
            tf.config.set_visible_devices([], "GPU")
        else:
            tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[int(index)], "GPU")
        if spread is not None:
            require_process_per_device(spread, "TensorFlow")
            if spread.processes > 1:
                from alae_tensorflow.peers import TensorflowPeers

                self.peers, self.device_count = TensorflowPeers(spread), spread.processes

    def devices(self) -> list[str]:
        import tensorflow as tf

        found = [device for kind in ("CPU", "GPU") for device in tf.config.list_physical_devices(kind)]
        return [device.name.removeprefix("/physical_device:").lower() for device in found]
