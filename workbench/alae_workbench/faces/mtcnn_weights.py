"""The weights of the networks that find faces, read from the files of the PyPI package mtcnn without importing it.

A file is an LZ4 frame around a pickle of joblib's, in which the numbers of each array follow its description.
"""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from alae_core._support.files import read_regular
from alae_core.errors import CheckpointError
from alae_workbench.exchange.array_pickles import ArrayMachine
from alae_workbench.exchange.pickles import DAMAGE, PickleError, Placeholder

_HOW = "pip install 'alae[faces]'"
# The largest of the three has a third of it.
_MOST_BYTES = 2**22


def require_package() -> None:
    """Raise CheckpointError, saying what to install, unless the weights can be had; nothing is read."""
    weights_file("pnet")
    if find_spec("lz4") is None:
        raise CheckpointError(
            f"the networks that find faces are read by the package lz4, which is not installed: {_HOW}"
        )


def weights_file(name: str) -> Path:
    """Where the installed package mtcnn keeps a network's weights. Raises CheckpointError where it is not installed."""
    try:
        return Path(str(distribution("mtcnn").locate_file(f"mtcnn/assets/weights/{name}.lz4")))
    except PackageNotFoundError as error:
        raise CheckpointError(
            f"faces are found by the networks of the package mtcnn, which is not installed: {_HOW}"
        ) from error


def read_weights(path: Path) -> list[np.ndarray]:
    """The arrays in a file of weights, float32 and finite, in its order; reading it runs no code.

    Raises CheckpointError where it cannot be read, is too large, damaged, or holds anything else.
    """
    require_package()
    import lz4.frame

    try:
        frame = lz4.frame.LZ4FrameDecompressor()
        content = frame.decompress(read_regular(path, _MOST_BYTES), _MOST_BYTES)
        if not frame.eof:
            raise PickleError(f"it is cut short, or has more than {_MOST_BYTES:,} bytes")
        arrays = _Machine(BytesIO(content)).run()
        if not (isinstance(arrays, list) and all(isinstance(array, np.ndarray) for array in arrays)):
            raise PickleError("it is no list of arrays")
        if not all(np.isfinite(array).all() for array in arrays):
            raise PickleError("not all of its numbers are finite")
    except PickleError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except (*DAMAGE, RuntimeError) as error:  # RuntimeError is lz4's
        raise CheckpointError(f"{path} is damaged: {error}") from error
    return arrays


class _Machine(ArrayMachine):
    """A pickle of joblib's: what describes an array is built, and its numbers follow at once, outside the pickle."""

    def _build(self, _: None) -> None:
        match self.stack[-2:]:
            case [Placeholder("joblib.numpy_pickle.NumpyArrayWrapper"), dict(wrapper)]:
                self.stack[-2:] = [self._array(**{str(key): value for key, value in wrapper.items()})]
            case _:
                super()._build(_)

    def _array(
        self, shape: Any, order: Any, dtype: Any, numpy_array_alignment_bytes: Any = None, **_: Any
    ) -> np.ndarray:
        if dtype != "f4" or order != "C" or not isinstance(shape, tuple) or len(shape) > 4:
            raise PickleError("it holds something else than arrays of float32")
        if not all(isinstance(length, int) and 0 < length <= _MOST_BYTES for length in shape):
            raise PickleError("an array's shape is no row of counts")
        if numpy_array_alignment_bytes is not None:
            # Filled up to a round address: a byte says by how many.
            self.source.read(*self.source.read(1))
        size = 4 * prod(shape)
        content = self.source.read(size)
        if len(content) < size:
            raise PickleError(f"it is cut short: an array should have {size:,} bytes")
        return np.frombuffer(content, "<f4").reshape(shape)
