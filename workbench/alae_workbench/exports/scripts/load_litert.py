"""Load exported functions with LiteRT. Needs only NumPy, and ai-edge-litert or tensorflow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tensorflow import lite

    Interpreter = lite.Interpreter


def load(folder: Path, name: str) -> Callable[..., np.ndarray]:
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    interpreter = Interpreter(model_path=str(Path(folder, f"{name}.tflite")))
    run = interpreter.get_signature_runner()

    def call(**inputs: np.ndarray) -> np.ndarray:
        (output,) = run(**inputs).values()
        return output

    return call
