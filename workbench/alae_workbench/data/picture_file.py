"""A picture file: its header, and its pixels at the model's size."""

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
from PIL.TiffImagePlugin import TiffImageFile

from alae_core._support.files import open_regular
from alae_workbench.data.colour_profile import convert_to_srgb
from alae_workbench.data.crop_box import CropBox
from alae_workbench.data.picture_formats import HEAD_BYTES, explain_content, list_formats
from alae_workbench.data.ranges import ValueRange
from alae_workbench.data.shades import (
    SHADES,
    WIDE,
    blend_with_background,
    find_extremes,
    shorten_transparency,
    to_bytes,
)
from alae_workbench.data.source import DataError, Fit, describe_error

# What Pillow raises for damaged, malicious and oversized files.
_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, SyntaxError, EOFError, OverflowError, RuntimeError),
    *(struct.error, zlib.error, MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning),
)
# Pillow's grey modes.
_GREY = ("1", "L", "LA", "La", *WIDE)
# Marks images that were made from a member that is an array.
_FROM_ARRAY = "alae_from_array"
# Formats of animations and of stacks of slices; the second picture of an MPO is a copy in another size.
_STACKS = ("GIF", "PNG", "TIFF", "WEBP", "AVIF")
_HEADER = Lock()
# EXIF's tag of the orientation, and its values for pictures whose rows are stored as columns.
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
# TIFF's tag of the number of channels.
_CHANNELS = 277


@dataclass(frozen=True)
class Member:
    """A picture inside an archive, a database or a record file.

    Attributes:
        container: the file or folder that holds it.
        place: its name in the container, with no part that leads out of it.
        read: returns the bytes of a picture file; pixels, uint8 (H, W) or (H, W, 3); or an image of PIL. It can be
            called from any thread and, except for images in memory, from other processes. Raises OSError or ValueError
            if the picture cannot be read.
    """

    container: Path
    place: PurePosixPath
    read: Callable[[], bytes | np.ndarray | Image.Image]

    def __str__(self) -> str:
        return f"{self.container}: {self.place}"


class Header(NamedTuple):
    """The header of a picture file: width and height in pixels after rotation by EXIF, and whether it has colours."""

    width: int
    height: int
    coloured: bool


def read_header(path: Path | Member) -> Header | None:
    """Read a picture file's header; None if it cannot be read."""
    try:
        with _open_picture(path) as image:
            width, height = image.size
            # Pillow swaps the sides of a TIFF itself.
            if not isinstance(image, TiffImageFile) and _read_exif(image).get(_ORIENTATION) in _ON_ITS_SIDE:
                width, height = height, width
            return Header(width, height, image.mode not in _GREY)
    except (DataError, *_UNREADABLE):
        return None


def _read_exif(image: Image.Image) -> Image.Exif:
    """Read EXIF from a header. Pillow's method for PNG would decode the pixels, because EXIF may follow them."""
    return Image.Image.getexif(image)


@dataclass(frozen=True)
class Reading:
    """How picture files become pixels; the same for all pictures of a data set (`reading.decide_reading`).

    Attributes:
        fit: how a picture of another shape is fitted: "crop" cuts the longer side about the centre; "pad" keeps the
            whole picture between black bars.
        crop_box: the part of each picture that is used; None for all of it.
        narrow: the range of pictures of 8 bits; None for 0 … 255.
        wide: the range of pictures of more bits; None for the first that holds the values of the picture itself.
        early: whether to read as early versions did, for their runs and unfinished sets: each picture in its own
            range, and without regard to colour profiles and 16-bit transparency.
    """

    fit: Fit = "crop"
    crop_box: CropBox | None = None
    narrow: ValueRange | None = None
    wide: ValueRange | None = None
    early: bool = False


@dataclass(frozen=True)
class Facts:
    """What decides how the pictures of a data set are read.

    Attributes:
        lowest, highest: the extreme values; 0 and 255 for pictures of 8 bits whose values were not requested.
        wide: whether the picture has more than 8 bits.
        floats: whether its values are floats.
        is_srgb: whether its colours are sRGB, or can be converted to it.
        frames: whether the file holds several pictures, of which only the first is read.
        channels: whether the file holds more channels than are read, such as infrared.
        is_array: whether it is not a file but pixels, as all members of its container are.
    """

    lowest: float = 0
    highest: float = 255
    wide: bool = False
    floats: bool = False
    is_srgb: bool = True
    frames: bool = False
    channels: bool = False
    is_array: bool = False


def describe_fault(path: Path | Member) -> str:
    """Return the file's name and why it cannot be read; "" if it can."""
    try:
        read_image(path, (1, 1, 3))
    except DataError as error:
        return str(error)
    return ""


def read_facts(path: Path | Member, *, with_values: bool) -> Facts | None:
    """Read the facts about a picture file; None if it cannot be read.

    Only the header of a picture of 8 bits is read, unless `with_values`; pictures of more bits are decoded.
    """
    try:
        with _open_picture(path) as image:
            is_array = _FROM_ARRAY in image.info
            frames = image.format in _STACKS and bool(getattr(image, "is_animated", False))
            stored = image.tag_v2.get(_CHANNELS, 1) if isinstance(image, TiffImageFile) else 1
            channels = stored > len(image.getbands())
            if image.mode in WIDE:
                values = np.asarray(image)
                floats, is_srgb = values.dtype.kind == "f", not image.info.get("icc_profile")
                return Facts(
                    float(values.min()), float(values.max()), True, floats, is_srgb, frames, channels, is_array
                )
            lowest, highest = find_extremes(image) if with_values and image.mode in SHADES else (0, 255)
            # One pixel shows whether the profile can be used.
            is_srgb = not image.info.get("icc_profile") or convert_to_srgb(_take_pixel(image))[1]
            return Facts(lowest, highest, is_srgb=is_srgb, frames=frames, channels=channels, is_array=is_array)
    except (DataError, *_UNREADABLE):
        return None


def _take_pixel(image: Image.Image) -> Image.Image:
    pixel = Image.new(image.mode, (1, 1))
    pixel.info["icc_profile"] = image.info["icc_profile"]
    return pixel


def read_image(path: Path | Member, shape: tuple[int, int, int], reading: Reading = Reading()) -> np.ndarray:
    """Read a picture file as uint8 of `shape` (H, W, C), rotated according to EXIF and resized with a Lanczos filter.

    The first frame of an animation is read. Colours with an embedded profile are converted to sRGB. Transparent pixels
    are blended with white.

    Args:
        path: a regular file, or a member of a container, in a format of `picture_formats`, whatever its own ending.
        shape: H, W and C; C is 1 (luma) or 3.
        reading: the ranges of values, and how the picture is cropped or padded.

    Raises:
        DataError: the file cannot be read, has values outside of their range or too few pixels for the crop box, or C
            is neither 1 nor 3.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise DataError(f"picture files have 1 or 3 channels, but the configuration says {channels}")
    resize = ImageOps.fit if reading.fit == "crop" else ImageOps.pad
    with _open_upright(path, "L" if channels == 1 else "RGB", reading) as image:
        pixels = np.asarray(resize(image, (width, height), Image.Resampling.LANCZOS))
    # An image of more than 8 bits is grey; its one channel is repeated.
    return np.broadcast_to(to_bytes(pixels).reshape(height, width, -1), shape).copy()


def read_photo(path: Path) -> Image.Image:
    """Read a picture file in RGB at its own size, otherwise as `read_image` does. Raises DataError as `read_image`."""
    with _open_upright(path, "RGB", Reading()) as image:
        return Image.fromarray(to_bytes(np.asarray(image))).convert("RGB")


@contextmanager
def _open_upright(path: Path | Member, mode: str, reading: Reading) -> Iterator[Image.Image]:
    """Open a picture in `mode`, or in floats if it has more than 8 bits, rotated by EXIF and cropped."""
    try:
        with _open_picture(path) as image:
            if not reading.early:
                shorten_transparency(image)
            upright = ImageOps.exif_transpose(image)
            if reading.crop_box:
                upright = upright.crop(reading.crop_box.find_corners(*upright.size))
            yield blend_with_background(upright, mode, reading.narrow, reading.wide, early=reading.early)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} ({explain_content(_read_head(path), str(path))})") from error
    except _UNREADABLE as error:
        raise DataError(f"{path} ({describe_error(error)})") from error


@contextmanager
def _open_picture(path: Path | Member) -> Iterator[Image.Image]:
    if isinstance(path, Path):
        with open_regular(path) as file, _parse_header(file, path.name) as image:
            yield image
        return
    content = path.read()
    if isinstance(content, np.ndarray):
        image = Image.fromarray(content)
        image.info[_FROM_ARRAY] = True
        yield image
        return
    if isinstance(content, Image.Image):
        yield content
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


def _read_head(path: Path | Member) -> bytes:
    try:
        if isinstance(path, Path):
            with open_regular(path) as file:
                return file.read(HEAD_BYTES)
        content = path.read()
    except (OSError, ValueError):
        return b""
    return content[:HEAD_BYTES] if isinstance(content, bytes) else b""
