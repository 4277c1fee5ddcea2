"""ALAE on TensorFlow: the plug-in that `--backend tensorflow` finds."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from alae_core import BackendError

if TYPE_CHECKING:
    from alae_core import Alae, Config
    from alae_core.config import Precision
    from alae_tensorflow.runner import TensorflowRunner


class TensorflowBackend:
    """See `alae_core.Backend`: one `tf.function` step over variables."""

    name: ClassVar[str] = "tensorflow"
    keras_backend: ClassVar[str] = "tensorflow"

    def __init__(self, device: str | None = None, precision: "Precision" = "float32") -> None:
        # Its start-up notices are about builds of TensorFlow, not about the run; warnings still show.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        import tensorflow as tf

        known = self.devices()
        # TensorFlow lists the CPU first and computes on the last kind it has.
        wanted = device or known[-1]
        self.device = wanted if wanted in known else f"{wanted}:0"
        if self.device not in known:
            raise BackendError(f"TensorFlow sees no device {device!r}; it sees {', '.join(known)}")
        kind, index = self.device.split(":")
        if kind == "cpu":
            tf.config.set_visible_devices([], "GPU")
        else:
            tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[int(index)], "GPU")

    def versions(self) -> dict[str, str]:
        import keras
        import tensorflow

        return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}

    def devices(self) -> list[str]:
        import tensorflow as tf

        found = [device for kind in ("CPU", "GPU") for device in tf.config.list_physical_devices(kind)]
        return [device.name.removeprefix("/physical_device:").lower() for device in found]

    def input_gradient(self, fn: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
        from alae_tensorflow.runner import input_gradient

        return input_gradient(fn, x)

    def runner(self, alae: "Alae", config: "Config", *, seed: int = 0) -> "TensorflowRunner":
        from alae_tensorflow.runner import TensorflowRunner

        return TensorflowRunner(alae, config, seed=seed)
