"""Load exported functions with PyTorch. Needs only NumPy and torch."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch


def load(folder: Path, name: str) -> Callable[..., np.ndarray]:
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    module = torch.export.load(str(Path(folder, f"{name}.pt2"))).module()
    description = json.loads(Path(folder, "export.json").read_text("utf-8"))["functions"][name]
    names = [port["name"] for port in description["inputs"]]

    def call(**inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(*[torch.as_tensor(inputs[key]) for key in names]).numpy()

    return call
