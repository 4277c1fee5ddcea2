"""Image files: what formats are opened, and how one becomes bytes of the model's size."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from alae_core._support.files import open_regular
from alae_workbench.data.source import DataError, Fit

#: what the names of image files end in
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
# What those endings promise. Pillow goes by content and knows many more formats, some of which call other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
# What Pillow raises of files that are torn, lying or too large.
_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, SyntaxError, EOFError, OverflowError, RuntimeError),
    *(struct.error, zlib.error, MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning),
)
# Pillow's modes of more than bytes, which `convert` cuts off at 255, and those without colours.
_WIDE = ("I", "I;16", "I;16L", "I;16B", "F")
_GREY = ("1", "L", "LA", "La", *_WIDE)
# What is seen where an image is transparent.
_GROUND = (255, 255, 255, 255)
_HEADER = Lock()


@dataclass(frozen=True)
class Member:
    """An image within something larger: an archive, a data base, a file of records.

    Attributes:
        container: the file or folder that holds it.
        place: its name in there, none of whose parts leads out of it.
        content: reads the bytes of an image file, or the pixels, uint8 (H, W) or (H, W, 3); called from any thread,
            and in other processes. Raises OSError or ValueError where they cannot be had.
    """

    container: Path
    place: PurePosixPath
    content: Callable[[], bytes | np.ndarray]

    def __str__(self) -> str:
        return f"{self.container}: {self.place}"


def glance(path: Path | Member) -> tuple[int, int, bool] | None:
    """Width, height and whether it has colours, from an image file's header; None where it cannot be read."""
    try:
        with _opened(path) as image:
            return *image.size, image.mode not in _GREY
    except (DataError, *_UNREADABLE):
        return None


def fault(path: Path | Member) -> str:
    """What is wrong with an image file, which it names; "" where it can be read."""
    try:
        read_image(path, (1, 1, 3))
    except DataError as error:
        return str(error)
    return ""


def read_image(path: Path | Member, shape: tuple[int, int, int], fit: Fit = "crop") -> np.ndarray:
    """An image file as uint8 of `shape` (H, W, C), turned upright and resized by Lanczos' filter.

    Of an animation it is the first picture. 16 bits become 8 over their whole range, and floats over the one that they
    keep to: [0, 1], [−1, 1], that of bytes or that of 16 bits. What is transparent is laid on white.

    Args:
        path: a regular file or a member, of one of the formats that `ENDINGS` name, whatever its own name is.
        shape: H, W and C: one channel, of lightness, or three.
        fit: "crop" cuts what is too wide or too high off on both sides; "pad" keeps all of it, between black bars.

    Raises:
        DataError: the file is no image that can be read, or `shape` has neither one nor three channels.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise DataError(f"image files have 1 or 3 channels, but the configuration says {channels}")
    resized = ImageOps.fit if fit == "crop" else ImageOps.pad
    with _upright(path, "L" if channels == 1 else "RGB") as image:
        found = np.asarray(resized(image, (width, height), Image.Resampling.LANCZOS))
    # A wide image is grey: all channels of it are one.
    return np.broadcast_to(_as_bytes(found).reshape(height, width, -1), shape).copy()


def read_photo(path: Path) -> Image.Image:
    """An image file in RGB, at its own size, and else as `read_image` has it. Raises DataError as that does."""
    with _upright(path, "RGB") as image:
        return Image.fromarray(_as_bytes(np.asarray(image))).convert("RGB")


@contextmanager
def _upright(path: Path | Member, mode: str) -> Iterator[Image.Image]:
    """The picture in `mode`, or in floats where it has more than bytes; turned as its camera says, on its ground."""
    try:
        with _opened(path) as image:
            yield _laid_on_ground(ImageOps.exif_transpose(image), mode)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} (its content is none of {', '.join(_FORMATS)})") from error
    except _UNREADABLE as error:
        raise DataError(f"{path} ({getattr(error, 'strerror', None) or error})") from error


@contextmanager
def _opened(path: Path | Member) -> Iterator[Image.Image]:
    if isinstance(path, Path):
        with open_regular(path) as file, _decoding(file) as image:
            yield image
        return
    content = path.content()
    with Image.fromarray(content) if isinstance(content, np.ndarray) else _decoding(io.BytesIO(content)) as image:
        yield image


def _decoding(file: IO[bytes]) -> Image.Image:
    # Filters of warnings are the process's; nothing is decoded yet.
    with _HEADER, warnings.catch_warnings():
        # Pillow warns of images that take a gigabyte to decode, and refuses only those twice as large.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(file, formats=_FORMATS)


def _laid_on_ground(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in _WIDE:
        return Image.fromarray(_over_bytes(np.asarray(image)))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, _GROUND), image.convert("RGBA"))
    return image.convert(mode)


def _over_bytes(values: np.ndarray) -> np.ndarray:
    """Numbers of 16 bits, or floats of a range that can be told, as floats in 0 … 255."""
    lowest, highest = float(values.min()), float(values.max())
    ranges = [(0, 65535)] if values.dtype.kind in "iu" else [(0, 1), (-1, 1), (0, 255), (0, 65535)]
    for bottom, top in ranges:
        if bottom <= lowest <= highest <= top:
            return ((values.astype(np.float32) - bottom) * (255 / (top - bottom))).astype(np.float32)
    raise ValueError(f"its values reach from {lowest:g} to {highest:g}: nobody can tell which are black and white")


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels.clip(0, 255)).astype(np.uint8)
