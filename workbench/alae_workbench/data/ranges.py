"""Value ranges: which numbers are black and white, stated by the user or found from all images of a data set."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alae_core._support.text import short_repr
from alae_workbench.data.source import DataError

_NUMBER = r"[+-]?\d{1,12}(?:\.\d{1,12})?"
_TEXT = re.compile(rf"\s*({_NUMBER})\s*(?:\.\.|…)\s*({_NUMBER})\s*")
# Images that use a smaller part of their range than this are nearly black or nearly flat.
_LEAST_SHARE = 1 / 16
# Images of so few rows or columns may have any shape.
_MOST_TINY = 4


class ValueRange(NamedTuple):
    """The values of black and white. `str` gives the text of `training.range`, such as 0..4095."""

    black: float
    white: float

    def __str__(self) -> str:
        return f"{_format(self.black)}..{_format(self.white)}"

    @property
    def title(self) -> str:
        """The range in messages, such as 0 … 4095 or [0, 1]."""
        if self in (_UNIT, _SYMMETRIC):
            return f"[{_format(self.black)}, {_format(self.white)}]".replace("-", "−")
        return f"{_format(self.black)} … {_format(self.white)}"

    def holds(self, lowest: float, highest: float) -> bool:
        """Whether both values lie in this range; False for NaN."""
        return self.black <= lowest <= highest <= self.white

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Scale values to floats, with 0 for black and 255 for white."""
        return (values - self.black) * (255 / (self.white - self.black))


_UNIT, _SYMMETRIC, BYTES = ValueRange(0, 1), ValueRange(-1, 1), ValueRange(0, 255)
# Cameras and scanners of 10, 12 and 14 bits store their values in 16 bits.
_DEEP = tuple(ValueRange(0, 2**bits - 1) for bits in (10, 12, 14, 16))
#: the ranges that are recognised, narrowest first: of floats, and of integers and floats in picture files
FLOATS = (_UNIT, _SYMMETRIC, BYTES)
PICTURE_INTEGERS, PICTURE_FLOATS = (BYTES, *_DEEP), (*FLOATS, _DEEP[-1])


def parse_range(text: str) -> ValueRange | None:
    """Parse the text of `training.range`; None for "auto".

    Raises ValueError if it is neither "auto" nor two numbers such as 0..4095, black below white.
    """
    if text.strip().lower() == "auto":
        return None
    match = _TEXT.fullmatch(text)
    if not match or float(match[1]) >= float(match[2]):
        raise ValueError(f"{short_repr(text)} is neither auto nor the values of black and white, such as 0..4095")
    return ValueRange(float(match[1]), float(match[2]))


def find_range(
    lowest: float, highest: float, ranges: Sequence[ValueRange], hint: ValueRange | None = None
) -> ValueRange | None:
    """Return `hint`, or else the first of `ranges`, that holds both values; None if none does, or for NaN."""
    return next((each for each in (hint, *ranges) if each is not None and each.holds(lowest, highest)), None)


def advise_range(lowest: float, highest: float) -> str:
    """Return how to state the range of images from `lowest` to `highest`, for the end of a message; "" for NaN."""
    if not np.isfinite(lowest) or not np.isfinite(highest):
        return ""
    return f"; or state what is black and white, such as training.range={np.floor(lowest):.0f}..{np.ceil(highest):.0f}"


def describe_use(lowest: float, highest: float, values: ValueRange = BYTES) -> str:
    """Return a warning if images use less than a sixteenth of their range, for the end of a sentence; else ""."""
    if not 0 <= highest - lowest < _LEAST_SHARE * (values.white - values.black):
        return ""
    used = f"{_shorten(lowest)} … {_shorten(highest)}"
    return f"of which they use only {used}: if white is another value, set training.range"


class ConvertedArrays(NamedTuple):
    """Parts of a data set as bytes, how they were read, and the range of numbers that were not bytes: see `DataSet`."""

    parts: list[np.ndarray]
    interpretation: str
    value_range: str


def as_pixels(*parts: np.ndarray) -> tuple[list[np.ndarray], str]:
    """Convert images of a known range to bytes, and describe how they were read: see `convert_arrays`."""
    converted = convert_arrays(*parts)
    return converted.parts, converted.interpretation


def convert_arrays(
    *parts: np.ndarray, stated: ValueRange | None = None, hint: ValueRange | None = None
) -> ConvertedArrays:
    """Convert images of a known range to bytes, channels last.

    Args:
        parts: parts of one data set, each (count, H, W), (count, H, W, C) or (count, C, H, W). The range is determined
            from all parts together: integers are in 0 … 255, floats in the narrowest of [0, 1], [−1, 1] and 0 … 255
            that holds them. Truth values, and integers of which all are 0 or 1, are black and white.
        stated: the range, if it is known.
        hint: a range that is tried before the others, for images that are not bytes; but not for floats of at most 1
            if it goes further, because they would be black.

    Returns:
        The parts as uint8 (count, H, W) or (count, H, W, C); how they were read, such as "numbers in [0, 1] and
        channels first", or "" if nothing was changed; and the range.

    Raises:
        DataError: the images are not numbers, or have their axes in another order; or a value lies outside the range.
    """
    changes, value_range = [], ""
    for part in parts:
        _require_image_axes(part.shape)
    numbers = [part for part in parts if part.size]
    kinds = {part.dtype.kind for part in parts}
    if not kinds <= set("biuf") or (not numbers and any(part.dtype != np.uint8 for part in parts)):
        raise DataError(f"images are {parts[0].dtype} of shape {parts[0].shape}; they must be bytes (uint8)")
    if numbers:
        lowest, highest = min(float(part.min()) for part in numbers), max(float(part.max()) for part in numbers)
        values = _choose_range(parts, lowest, highest, stated, hint)
        value_range = "" if all(part.dtype == np.uint8 for part in parts) else str(values)
        if kinds <= set("biu") and values == _UNIT:
            changes.append("black and white, 0 and 1")
        elif values != BYTES or any(part.dtype != np.uint8 for part in parts):
            changes.append(f"numbers in {values.title}")
        if use := describe_use(lowest, highest, values):
            changes = [f"{changes[0] if changes else 'bytes'}, {use}"]
        parts = tuple(_to_bytes(part, values) for part in parts)
    if all(part.ndim == 4 and part.shape[1] in (1, 3) and min(part.shape[2:]) > 4 for part in parts):
        parts = tuple(part.transpose(0, 2, 3, 1) for part in parts)
        changes.append("channels first")
    return ConvertedArrays(list(parts), " and ".join(changes), value_range)


def _require_image_axes(shape: tuple[int, ...]) -> None:
    """Raise DataError if a shape is that of one image in colour, or has the number of images last, as in MATLAB.

    Images of 3 columns do not exist, so these shapes have no other meaning.
    """
    if len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) > _MOST_TINY:
        raise DataError(
            f"images have the shape {shape}, which is that of one image in colour: give (count, height, width, "
            f"channels), such as images[None], or a picture file"
        )
    if len(shape) == 4 and shape[2] in (1, 3) and shape[3] > 4 and min(shape[:2]) > _MOST_TINY:
        raise DataError(
            f"images have the shape {shape}, with their number last: give numpy.moveaxis(images, -1, 0), whose first "
            f"axis is their number"
        )


def _describe_not_finite(parts: Sequence[np.ndarray]) -> str:
    """Return how many images hold NaN or infinite values, for the end of a message; "" if none does."""
    wrong = sum(int((~np.isfinite(part.reshape(len(part), -1)).all(1)).sum()) for part in parts)
    if not wrong:
        return ""
    return (
        f"; {wrong:,} of {sum(map(len, parts)):,} images hold{'s' if wrong == 1 else ''} NaN or infinite values: leave "
        f"them out, or replace the values, such as by numpy.nan_to_num(images)"
    )


def _to_bytes(part: np.ndarray, values: ValueRange) -> np.ndarray:
    if part.dtype == np.uint8 and values == BYTES:
        return part
    return np.rint(values.scale(part.astype(np.uint8) if part.dtype == bool else part)).astype(np.uint8)


def _choose_range(
    parts: Sequence[np.ndarray], lowest: float, highest: float, stated: ValueRange | None, hint: ValueRange | None
) -> ValueRange:
    if stated is not None:
        if not stated.holds(lowest, highest):
            raise DataError(
                f"images are {parts[0].dtype}, from {lowest:g} to {highest:g}, which is not within the range {stated} "
                f"of training.range{_describe_not_finite(parts)}"
            )
        return stated
    kinds = {part.dtype.kind for part in parts}
    if kinds == {"b"} or (kinds <= set("biu") and lowest >= 0 and highest == 1):
        return _UNIT
    if all(part.dtype == np.uint8 for part in parts):
        return BYTES
    if kinds == {"f"} and hint is not None and hint.white > 1 >= highest:
        hint = None
    found = find_range(lowest, highest, FLOATS if kinds == {"f"} else (BYTES,), hint)
    if found is None:
        raise DataError(
            f"images are {parts[0].dtype}, from {lowest:g} to {highest:g}; they must be bytes, or numbers in "
            f"[0, 1], [−1, 1] or 0 … 255{advise_range(lowest, highest)}{_describe_not_finite(parts)}"
        )
    return found


def _shorten(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.3g}"


def _format(value: float) -> str:
    return f"{value:.12g}"
