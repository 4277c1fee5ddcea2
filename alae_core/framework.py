"""The framework in use, as layers and models see it: device, compilation, and gradients with respect to an input."""

from collections.abc import Callable, Hashable
from typing import Any, Protocol

from alae_core.backend_lookup import installed_backends, open_backend
from alae_core.config import Precision
from alae_core.spread import Spread

Tensor = Any
#: (fn, x) -> (fn(x), d sum(fn(x)) / dx), itself differentiable: the one operation that losses need and Keras lacks
InputGradient = Callable[[Callable[[Tensor], Tensor], Tensor], tuple[Tensor, Tensor]]


class Framework(Protocol):
    """The part of a backend that does not depend on ALAE."""

    device: str  # the device it computes on, as the framework spells it, such as "cuda:0"

    def input_gradient(self, fn: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        """(fn(x), d sum(fn(x)) / dx), itself differentiable."""

    def compile(self, fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Compile `fn` once for each new structure and shape of its arguments, without gradients.

        `fn(constants, *rows)` is as for `inference.BatchedFunction`: tensors in nested lists and dictionaries. A
        framework that does not compile returns a function that does not record gradients; one that was opened for
        several devices may divide the rows between them.
        """


def structure(value: Any) -> Hashable:
    """Return a key for compiled functions of `value`: which parts are present, and the shape and dtype of each tensor.

    `value` is a tensor, None, or nested tuples, lists and dictionaries of these.
    """
    # Called at every step: lists are faster than generators, and `(tuple, list)` than `tuple | list`.
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        return tuple([None if part is None else structure(part) for part in value])
    if isinstance(value, dict):
        return tuple([(key, structure(part)) for key, part in value.items()])
    return tuple(value.shape), value.dtype


#: the framework opened last in this process; empty before the first
_opened: list[Framework] = []


def open_framework(
    name: str, device: str | None = None, precision: Precision = "float32", spread: Spread | None = None
) -> Any:
    """Open the backend `name` and make it the framework in use. Raises BackendError; see `backend.load_backend`."""
    opened = open_backend(name, device, precision, spread)
    _opened[:] = [opened]
    return opened


def framework_in_use() -> Framework | None:
    """Return the framework opened last in this process. If none was opened, open the one that Keras runs on.

    None if Keras runs on a framework for which no backend is installed.
    """
    if not _opened:
        import keras

        name = keras.backend.backend()
        return open_framework(name) if name in installed_backends() else None
    return _opened[-1]
