"""The weights of the face detection networks, loaded from the installed package mtcnn without importing its code."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import numpy as np

from alae_core.errors import CheckpointError

_INSTALL = "pip install 'alae[faces]'"


def require_package() -> None:
    """Raise CheckpointError, with the command that installs them, unless mtcnn and lz4 are installed."""
    weights_file("pnet")
    if find_spec("lz4") is None:
        raise CheckpointError(f"the package lz4, which unpacks the weights for face detection, is missing: {_INSTALL}")


def weights_file(name: str) -> Path:
    """Return the file with network `name`'s weights in the package mtcnn. Raises CheckpointError if it is missing."""
    try:
        return Path(str(distribution("mtcnn").locate_file(f"mtcnn/assets/weights/{name}.lz4")))
    except PackageNotFoundError as error:
        raise CheckpointError(f"the package mtcnn, whose networks detect faces, is missing: {_INSTALL}") from error


def load_weights(name: str, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Load the weights of network `name`: float32 arrays, which must have `shapes`.

    The file may execute code, as the package itself may: both are trusted because the user installed them.

    Raises CheckpointError if the package is missing, or its file is damaged or does not fit the network.
    """
    require_package()
    import joblib

    path = weights_file(name)
    try:
        arrays = joblib.load(path)
    except (OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError, UnpicklingError) as error:
        problem = getattr(error, "strerror", None) or str(error) or "it is empty"
        raise CheckpointError(f"{path} cannot be read: {problem}; install it again: {_INSTALL}") from error
    weights = [np.asarray(array) for array in arrays] if isinstance(arrays, list) else []
    if [(array.shape, array.dtype) for array in weights] != [(shape, np.dtype(np.float32)) for shape in shapes]:
        raise CheckpointError(f"{path} does not have the weights of mtcnn 1.0; install that version: {_INSTALL}")
    if not all(np.isfinite(array).all() for array in weights):
        raise CheckpointError(f"{path} has weights that are not finite; install it again: {_INSTALL}")
    return weights
