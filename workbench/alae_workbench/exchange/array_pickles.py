"""Reading pickles of NumPy's float32 arrays in dictionaries, without trust; see `pickles`."""

import warnings
from io import BytesIO
from math import prod
from typing import Any

import numpy as np

from alae_workbench.exchange.pickles import DAMAGE, Machine, Name, PickleError

_EMPTY = Name("numpy", "ndarray")


def read_arrays(content: bytes) -> Any:
    """What a pickle holds, its arrays read-only. Raises PickleError where it is damaged or holds other arrays."""
    try:
        with warnings.catch_warnings():
            # A damaged text in it may hold what Python has come to warn about, such as an unknown escape.
            warnings.simplefilter("ignore")
            return _Machine(BytesIO(content)).run()
    except PickleError:
        raise
    except DAMAGE as error:
        raise PickleError(f"it is damaged: {error}") from error


class ArrayMachine(Machine):
    """A pickle of float32 arrays, whose type is the text that it is made of; derived classes say how they are made."""

    def call(self, name: Any, arguments: Any) -> Any:
        """See `Machine`."""
        match str(name) if isinstance(name, Name) else "", arguments:
            case "numpy.dtype", (str(kind), *_):
                return kind
            case _:
                return super().call(name, arguments)

    def _build(self, _: None) -> None:
        match self.stack[-2:]:
            case ["f4", (_, "<", *_)]:
                self.stack[-1:] = []
            case _:
                raise PickleError("it holds something else than arrays of float32")


class _Machine(ArrayMachine):
    """An array is made empty, and then given its shape, its type and its bytes."""

    def call(self, name: Any, arguments: Any) -> Any:
        """See `Machine`."""
        match str(name) if isinstance(name, Name) else "", arguments:
            case "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct", (Name() as of, *_):
                return of
            case _:
                return super().call(name, arguments)

    def _build(self, _: None) -> None:
        match self.stack[-2:]:
            case [Name() as of, (_, tuple(shape), "f4", False, bytes(content))] if of == _EMPTY:
                if len(content) != 4 * prod(shape):
                    raise PickleError(f"an array of shape {shape} has {len(content):,} bytes")
                self.stack[-2:] = [np.frombuffer(content, "<f4").reshape(shape)]
            case _:
                super()._build(_)
