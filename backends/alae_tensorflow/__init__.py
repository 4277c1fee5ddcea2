"""ALAE on TensorFlow: the backend `tensorflow`."""

import os
from typing import TYPE_CHECKING, ClassVar

from alae_core.backend import BaseBackend

if TYPE_CHECKING:
    from alae_core.config import Precision


class TensorflowBackend(BaseBackend):
    """See `alae_core.Backend`: one `tf.function` step over variables."""

    name = "tensorflow"
    keras_backend = "tensorflow"
    engine = "alae_tensorflow.runner:TensorflowRunner"
    exporters: ClassVar = {
        "saved_model": "alae_tensorflow.exporters:write_saved_model",
        "litert": "alae_tensorflow.exporters:write_litert",
    }

    def __init__(self, device: str | None = None, precision: "Precision" = "float32") -> None:
        # Hides start-up notices about the build of TensorFlow; warnings still appear.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        import tensorflow as tf

        # TensorFlow's remapper prints an error if two operations read a convolution, as in residual blocks. Inference
        # takes as long without it: 12.6 ms of CPU time to encode 64 digits with mnist-conv.
        tf.config.optimizer.set_experimental_options({"remapping": False})
        # TensorFlow lists the CPU first, and accelerators last.
        self.device = self.choose_device(device, self.devices()[-1])
        kind, index = self.device.split(":")
        if kind == "cpu":
            tf.config.set_visible_devices([], "GPU")
        else:
            tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[int(index)], "GPU")

    def devices(self) -> list[str]:
        import tensorflow as tf

        found = [device for kind in ("CPU", "GPU") for device in tf.config.list_physical_devices(kind)]
        return [device.name.removeprefix("/physical_device:").lower() for device in found]
