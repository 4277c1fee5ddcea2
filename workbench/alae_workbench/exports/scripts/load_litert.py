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
    places = {detail["name"]: detail["index"] for detail in interpreter.get_input_details()}

    def call(**inputs: np.ndarray) -> np.ndarray:
        for key, array in inputs.items():
            interpreter.resize_tensor_input(places[key], array.shape)
        interpreter.allocate_tensors()
        for key, array in inputs.items():
            interpreter.set_tensor(places[key], array)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return call
