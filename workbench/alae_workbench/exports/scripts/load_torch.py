"""Load exported functions with PyTorch. Needs only NumPy and torch."""

import json

import torch


def load(folder, name):
    """Load the function `name` of the export in `folder`; it takes NumPy arrays by the names of its inputs."""
    module = torch.export.load(folder / f"{name}.pt2").module()
    description = json.loads((folder / "export.json").read_text("utf-8"))["functions"][name]
    names = [port["name"] for port in description["inputs"]]

    def call(**inputs):
        with torch.no_grad():
            return module(*[torch.as_tensor(inputs[key]) for key in names]).numpy()

    return call
