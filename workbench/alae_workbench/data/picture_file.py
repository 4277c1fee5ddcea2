"""A picture file: the formats that are read, its header, and its pixels at the model's size."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from alae_core._support.files import open_regular
from alae_workbench.data.picture_formats import list_formats
from alae_workbench.data.ranges import FLOAT_RANGES, find_range
from alae_workbench.data.source import DataError, Fit

# What Pillow raises for damaged, malicious and oversized files.
_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, SyntaxError, EOFError, OverflowError, RuntimeError),
    *(struct.error, zlib.error, MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning),
)
# Pillow's modes of more than 8 bits, which `convert` would clip at 255, and the grey modes.
_WIDE = ("I", "I;16", "I;16L", "I;16B", "F")
_GREY = ("1", "L", "LA", "La", *_WIDE)
_SIXTEEN_BITS = (0.0, 65535.0)
# Background of transparent pixels.
_BACKGROUND = (255, 255, 255, 255)
_HEADER = Lock()


@dataclass(frozen=True)
class Member:
    """A picture inside an archive, a database or a record file.

    Attributes:
        container: the file or folder that holds it.
        place: its name in the container, with no part that leads out of it.
        read: returns the bytes of a picture file, or pixels: uint8 (H, W) or (H, W, 3). It can be called from any
            thread and from other processes, and raises OSError or ValueError if the picture cannot be read.
    """

    container: Path
    place: PurePosixPath
    read: Callable[[], bytes | np.ndarray]

    def __str__(self) -> str:
        return f"{self.container}: {self.place}"


class Header(NamedTuple):
    """The header of a picture file: width and height in pixels, and whether it has colours."""

    width: int
    height: int
    coloured: bool


def read_header(path: Path | Member) -> Header | None:
    """Read a picture file's header; None if it cannot be read."""
    try:
        with _open_picture(path) as image:
            return Header(*image.size, image.mode not in _GREY)
    except (DataError, *_UNREADABLE):
        return None


def describe_fault(path: Path | Member) -> str:
    """Return the file's name and why it cannot be read; "" if it can."""
    try:
        read_image(path, (1, 1, 3))
    except DataError as error:
        return str(error)
    return ""


def read_image(path: Path | Member, shape: tuple[int, int, int], fit: Fit = "crop") -> np.ndarray:
    """Read a picture file as uint8 of `shape` (H, W, C), rotated according to EXIF and resized with a Lanczos filter.

    The first frame of an animation is read. 16-bit values are scaled to 8 bits; floats are scaled from the narrowest of
    [0, 1], [−1, 1], 0 … 255 and 0 … 65535 that contains them. Transparent pixels are blended with white.

    Args:
        path: a regular file, or a member of a container, in a format of `picture_formats`, whatever its own ending.
        shape: H, W and C; C is 1 (luma) or 3.
        fit: "crop" cuts the longer side about the centre; "pad" keeps the whole image between black bars.

    Raises:
        DataError: the file cannot be read, or C is neither 1 nor 3.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise DataError(f"picture files have 1 or 3 channels, but the configuration says {channels}")
    resize = ImageOps.fit if fit == "crop" else ImageOps.pad
    with _open_upright(path, "L" if channels == 1 else "RGB") as image:
        pixels = np.asarray(resize(image, (width, height), Image.Resampling.LANCZOS))
    # An image of more than 8 bits is grey; its one channel is repeated.
    return np.broadcast_to(_to_bytes(pixels).reshape(height, width, -1), shape).copy()


def read_photo(path: Path) -> Image.Image:
    """Read a picture file in RGB at its own size, otherwise as `read_image` does. Raises DataError as `read_image`."""
    with _open_upright(path, "RGB") as image:
        return Image.fromarray(_to_bytes(np.asarray(image))).convert("RGB")


@contextmanager
def _open_upright(path: Path | Member, mode: str) -> Iterator[Image.Image]:
    """Open a picture in `mode`, or in floats if it has more than 8 bits, rotated by EXIF, on the background."""
    try:
        with _open_picture(path) as image:
            yield _blend_with_background(ImageOps.exif_transpose(image), mode)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} (its content is none of {', '.join(list_formats(str(path)))})") from error
    except _UNREADABLE as error:
        raise DataError(f"{path} ({getattr(error, 'strerror', None) or error})") from error


@contextmanager
def _open_picture(path: Path | Member) -> Iterator[Image.Image]:
    if isinstance(path, Path):
        with open_regular(path) as file, _parse_header(file, path.name) as image:
            yield image
        return
    content = path.read()
    if isinstance(content, np.ndarray):
        yield Image.fromarray(content)
        return
    with _parse_header(io.BytesIO(content), path.place.name) as image:
        yield image


def _parse_header(file: IO[bytes], name: str) -> Image.Image:
    formats = list_formats(name)
    # Warning filters belong to the process, so one thread at a time changes them; nothing is decoded here.
    with _HEADER, warnings.catch_warnings():
        # Pillow only warns about images that take a gigabyte to decode, and refuses those twice as large.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(file, formats=formats)


def _blend_with_background(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in _WIDE:
        return Image.fromarray(_scale_to_255(np.asarray(image)))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, _BACKGROUND), image.convert("RGBA"))
    return image.convert(mode)


def _scale_to_255(values: np.ndarray) -> np.ndarray:
    """Scale 16-bit values, or floats of a recognisable range, to floats in 0 … 255."""
    lowest, highest = float(values.min()), float(values.max())
    ranges = (_SIXTEEN_BITS,) if values.dtype.kind in "iu" else (*FLOAT_RANGES, _SIXTEEN_BITS)
    black_and_white = find_range(lowest, highest, ranges)
    if black_and_white is None:
        raise ValueError(f"its values range from {lowest:g} to {highest:g}, so black and white cannot be determined")
    black, white = black_and_white
    return ((values.astype(np.float32) - black) * (255 / (white - black))).astype(np.float32)


def _to_bytes(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels.clip(0, 255)).astype(np.uint8)
