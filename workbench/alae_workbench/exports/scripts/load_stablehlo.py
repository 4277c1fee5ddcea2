"""Load exported functions with JAX. Needs only NumPy and jax."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jax import export


def load(folder: Path, name: str) -> Callable[..., np.ndarray]:
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    program = export.deserialize(bytearray(Path(folder, f"{name}.stablehlo").read_bytes()))
    description = json.loads(Path(folder, "export.json").read_text("utf-8"))["functions"][name]
    names = [port["name"] for port in description["inputs"]]

    def call(**inputs: np.ndarray) -> np.ndarray:
        arrays = [np.asarray(inputs[key], shape.dtype) for key, shape in zip(names, program.in_avals, strict=True)]
        return np.asarray(program.call(*arrays))

    return call
