"""Value ranges: numbers of a recognisable range, converted to bytes."""

from collections.abc import Sequence

import numpy as np

from alae_workbench.data.source import DataError

_UNIT, _SYMMETRIC, _BYTES = (0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)
#: the ranges of floating-point images, narrowest first
FLOAT_RANGES = (_UNIT, _SYMMETRIC, _BYTES)
_NAMES = {_UNIT: "[0, 1]", _SYMMETRIC: "[−1, 1]", _BYTES: "0 … 255"}


def find_range(lowest: float, highest: float, ranges: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return the first range (black, white) that contains both values; None if there is none, or for NaN."""
    return next(((black, white) for black, white in ranges if black <= lowest <= highest <= white), None)


def as_pixels(*parts: np.ndarray) -> tuple[list[np.ndarray], str]:
    """Convert images of a recognisable range to bytes, channels last.

    Args:
        parts: parts of one data set, each (count, H, W), (count, H, W, C) or (count, C, H, W): integers in 0 … 255, or
            floats in [0, 1], [−1, 1] or 0 … 255; truth values, and integers of which all are 0 or 1, are black and
            white. The range is determined from all parts together.

    Returns:
        The parts as uint8 (count, H, W) or (count, H, W, C), and how they were read, such as "numbers in [0, 1] and
        channels first"; "" if nothing was changed.

    Raises:
        DataError: a value lies outside these ranges.
    """
    changes = []
    if _are_black_and_white(parts):
        parts = tuple(np.where(part, np.uint8(255), np.uint8(0)) for part in parts)
        changes.append("black and white, 0 and 1")
    if any(part.dtype != np.uint8 for part in parts):
        black, white = _common_range(parts)
        parts = tuple(np.rint((part - black) * (255 / (white - black))).astype(np.uint8) for part in parts)
        changes.append(f"numbers in {_NAMES[black, white]}")
    if all(part.ndim == 4 and part.shape[1] in (1, 3) and min(part.shape[2:]) > 4 for part in parts):
        parts = tuple(part.transpose(0, 2, 3, 1) for part in parts)
        changes.append("channels first")
    return list(parts), " and ".join(changes)


def _are_black_and_white(parts: Sequence[np.ndarray]) -> bool:
    """Whether all values are truth values, or are 0 or 1 as bytes or integers, with some ones."""
    kinds, numbers = {part.dtype.kind for part in parts}, [part for part in parts if part.size]
    if not kinds <= set("biu") or not numbers:
        return False
    highest = max(int(part.max()) for part in numbers)
    return kinds == {"b"} or (highest == 1 and min(int(part.min()) for part in numbers) >= 0)


def _common_range(parts: Sequence[np.ndarray]) -> tuple[float, float]:
    kinds = {part.dtype.kind for part in parts}
    numbers = [part for part in parts if part.size]
    if not kinds <= set("iuf") or not numbers:
        raise DataError(f"images are {parts[0].dtype} of shape {parts[0].shape}; they must be bytes (uint8)")
    lowest, highest = min(float(part.min()) for part in numbers), max(float(part.max()) for part in numbers)
    common = find_range(lowest, highest, FLOAT_RANGES if kinds == {"f"} else (_BYTES,))
    if common is None:
        raise DataError(
            f"images are {parts[0].dtype}, from {lowest:g} to {highest:g}; they must be bytes, or numbers in [0, 1], "
            f"[−1, 1] or 0 … 255"
        )
    return common
