"""Load exported functions with ONNX Runtime. Needs only NumPy and onnxruntime."""

import onnxruntime


def load(folder, name):
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=onnxruntime.get_available_providers())
    return lambda **inputs: session.run(None, inputs)[0]
