"""Load exported functions with ONNX Runtime. Needs only NumPy and onnxruntime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime


def load(folder: Path, name: str) -> Callable[..., np.ndarray]:
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    path = Path(folder, f"{name}.onnx")
    session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
    return lambda **inputs: session.run(None, inputs)[0]
