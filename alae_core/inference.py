"""Functions of tensors applied to NumPy arrays of any length, in batches of a few different sizes."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from alae_core.framework import framework_in_use


def split(count: int, size: int) -> Iterator[slice]:
    """Yield consecutive slices of at most `size` rows that cover `count` rows; one empty slice if `count` is 0."""
    return (slice(start, min(start + size, count)) for start in range(0, max(count, 1), size))


class BatchedFunction:
    """A function of tensors, compiled by the framework in use, as a function of NumPy arrays.

    Every new shape is compiled, which takes longer than most calls. So all batches have the same number of rows, except
    that the last is padded to a power of two by repeating its last row; the results of these rows are dropped.

    Args:
        fn: `fn(constants, *rows)`, pure. It returns tensors, each with one row for each row of its input. It must treat
            rows independently of each other, unless `least` is None.
        size: the maximum number of rows in a batch.
        least: the minimum number of rows that a batch is padded to; None pads only a batch without rows, to one.
    """

    def __init__(self, fn: Callable[..., Any], size: int, *, least: int | None = 1) -> None:
        framework = framework_in_use()
        self._fn = fn if framework is None else framework.compile(fn)
        self._size, self._least = size, least

    def __call__(self, constants: Any, *rows: Any) -> Any:
        """Apply the function to all rows.

        Args:
            constants: tensors in nested lists and dictionaries, passed to every batch. They are arguments, not part of
                the compiled function, so their values may change between calls.
            rows: arrays in nested lists and dictionaries. The first is an array; the others have its length, or length
                1, and are then used for every batch.

        Returns:
            NumPy arrays, structured as the function's result.
        """
        count = len(rows[0])
        return _map(lambda *parts: np.concatenate(parts), *self._batches(constants, rows, count))

    def _batches(self, constants: Any, rows: tuple[Any, ...], count: int) -> Iterator[Any]:
        from keras import ops

        for part in split(count, self._size):
            length = part.stop - part.start
            padded = self._padded(length)
            tensors = _map(
                lambda array, part=part, padded=padded: ops.convert_to_tensor(
                    _pad(array[part], padded) if len(array) == count else array
                ),
                list(rows),
            )
            result = self._fn(constants, *tensors)
            yield _map(lambda tensor, length=length: ops.convert_to_numpy(tensor)[:length], result)

    def _padded(self, length: int) -> int:
        if self._least is None:
            # Functions of this kind, which compare rows, need one.
            return max(length, 1)
        power = 1 << (max(length, 1) - 1).bit_length()
        return min(max(power, self._least), self._size)


def _map(fn: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Apply `fn` to corresponding leaves of nested lists, tuples and dictionaries with the same structure."""
    if isinstance(first, dict):
        return {key: _map(fn, value, *(other[key] for other in others)) for key, value in first.items()}
    if isinstance(first, list | tuple):
        return [_map(fn, *values) for values in zip(first, *others, strict=True)]
    return fn(first, *others)


def _pad(array: np.ndarray, length: int) -> np.ndarray:
    missing = length - len(array)
    if missing <= 0:
        return array
    row = array[-1:] if len(array) else np.zeros((1, *array.shape[1:]), array.dtype)
    return np.concatenate([array, np.repeat(row, missing, axis=0)])
