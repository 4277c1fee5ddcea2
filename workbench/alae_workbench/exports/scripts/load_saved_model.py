"""Load exported functions with TensorFlow. Needs only NumPy and tensorflow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf


def load(folder: Path, name: str) -> Callable[..., np.ndarray]:
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    model = tf.saved_model.load(str(Path(folder, name)))

    def call(**inputs: np.ndarray) -> np.ndarray:
        # From the model, because the signature alone does not keep its variables alive.
        signature = model.signatures["serving_default"]
        (output,) = signature(**{key: tf.constant(array) for key, array in inputs.items()}).values()
        return output.numpy()

    return call
