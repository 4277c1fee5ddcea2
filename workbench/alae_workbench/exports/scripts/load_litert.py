"""Load exported functions with LiteRT, formerly TensorFlow Lite. Needs only NumPy, and ai-edge-litert or tensorflow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    import tensorflow

    Interpreter = tensorflow.lite.Interpreter


def load(folder: Path, name: str) -> Callable[..., np.ndarray]:
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    interpreter = Interpreter(str(Path(folder, f"{name}.tflite")))
    run = interpreter.get_signature_runner()
    return lambda **inputs: next(iter(run(**inputs).values()))
