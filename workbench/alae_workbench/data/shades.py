"""The values of a picture: their range, transparency and colours."""

import numpy as np
from PIL import Image

from alae_workbench.data.colour_profile import convert_to_srgb
from alae_workbench.data.ranges import PICTURE_FLOATS, PICTURE_INTEGERS, ValueRange, find_range

#: Pillow's modes of more than 8 bits, which are grey, and which `convert` would clip at 255
WIDE = ("I", "I;16", "I;16L", "I;16B", "F")
#: modes whose values are shades, not numbers of a palette or amounts of ink, and their number
SHADES = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3}
# Background of transparent pixels.
_BACKGROUND = (255, 255, 255, 255)


def find_extremes(image: Image.Image) -> tuple[float, float]:
    """Return the lowest and the highest shade of a picture in one of the modes `SHADES`, without its transparency."""
    shades = np.asarray(image).reshape(image.height, image.width, -1)[..., : SHADES[image.mode]]
    return int(shades.min()), int(shades.max())


def shorten_transparency(image: Image.Image) -> None:
    """Reduce the transparent colour of a PNG of 16 bits a channel to 8 bits, as Pillow reduces its colours."""
    transparent, tile = image.info.get("transparency"), getattr(image, "tile", [])[:1]
    if isinstance(transparent, tuple) and tile and "RGB;16B" in (tile[0].args, tile[0].args[:1]):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)


def blend_with_background(
    image: Image.Image, mode: str, narrow: ValueRange | None, wide: ValueRange | None, *, early: bool
) -> Image.Image:
    """Return a picture in sRGB on a white background.

    Args:
        image: the picture.
        mode: "L" or "RGB"; pictures of more than 8 bits become floats in 0 … 255 instead.
        narrow, wide, early: see `picture_file.Reading`.

    Raises ValueError if a value lies outside of the range.
    """
    if image.mode in WIDE:
        values = np.asarray(image)
        shades = _scale_to_255(values, wide)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int) and not early:
            shades[values == transparent] = 255
        return Image.fromarray(shades)
    if not early:
        image, _ = convert_to_srgb(image)
    if narrow is not None and image.mode in SHADES:
        image = _stretch(image, narrow)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, _BACKGROUND), image.convert("RGBA"))
    return image.convert(mode)


def _stretch(image: Image.Image, values: ValueRange) -> Image.Image:
    """Scale shades of 8 bits from a narrower range to 0 … 255; transparency stays."""
    lowest, highest = find_extremes(image)
    _require_within(values, lowest, highest)
    table = np.rint(values.scale(np.arange(256.0)).clip(0, 255)).astype(int).tolist()
    bands, shades = len(image.getbands()), SHADES[image.mode]
    stretched = image.point([*(table * shades), *(list(range(256)) * (bands - shades))])
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        stretched.info["transparency"] = table[transparent & 255]
    elif isinstance(transparent, tuple):
        stretched.info["transparency"] = tuple(table[value & 255] for value in transparent)
    return stretched


def _require_within(values: ValueRange, lowest: float, highest: float) -> None:
    if not np.isfinite(highest - lowest):
        raise ValueError("it holds NaN or infinite values")
    if not values.holds(lowest, highest):
        raise ValueError(f"its values are from {lowest:g} to {highest:g}, not within {values}")


def _scale_to_255(numbers: np.ndarray, values: ValueRange | None) -> np.ndarray:
    """Scale values of more than 8 bits to floats in 0 … 255."""
    lowest, highest = float(numbers.min()), float(numbers.max())
    if values is None:
        known = PICTURE_INTEGERS[-1:] if numbers.dtype.kind in "iu" else PICTURE_FLOATS
        values = find_range(lowest, highest, known)
        if values is None:
            text = f"its values range from {lowest:g} to {highest:g}"
            raise ValueError(f"{text}, so black and white cannot be determined")
    _require_within(values, lowest, highest)
    return values.scale(numbers.astype(np.float32)).astype(np.float32)


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Round floats to the nearest of 0 … 255; bytes are returned as they are."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels.clip(0, 255)).astype(np.uint8)
