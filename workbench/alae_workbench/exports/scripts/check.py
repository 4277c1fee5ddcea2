"""Run the exported functions on the inputs in check.npz, and compare their outputs with those of alae.

`python check.py` prints the largest error of each function as JSON. An error is the largest absolute difference,
divided by the largest absolute output if that is above 1. The exit code is 1 if an error is above 0.001, as in an
export that is wrong or damaged.
"""

import json
import sys
from pathlib import Path

import numpy as np
from load import load

FOLDER = Path(__file__).parent
LIMIT = 1e-3


def measure_error(name: str, arrays: dict[str, np.ndarray]) -> float:
    """Return the largest error of the function `name` over all cases, which differ in their numbers of rows."""
    function, error = load(FOLDER, name), 0.0
    for case in sorted({key.split("/")[1] for key in arrays if key.startswith(f"{name}/")}):
        prefix = f"{name}/{case}/"
        inputs = {key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}
        expected = inputs.pop("expected")
        found = function(**inputs)
        if found.shape != expected.shape:
            raise SystemExit(f"{name} returns the shape {found.shape} instead of {expected.shape}")
        error = max(error, float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max())))
    return error


if __name__ == "__main__":
    arrays = dict(np.load(FOLDER / "check.npz"))
    errors = {name: measure_error(name, arrays) for name in sorted({key.split("/")[0] for key in arrays})}
    print(json.dumps(errors))
    sys.exit(not max(errors.values()) <= LIMIT)
