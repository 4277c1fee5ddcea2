"""Embedded colour profiles (ICC): conversion of pictures to sRGB."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

# Profiles that change no colour by more than this are versions of sRGB.
_LEAST_CHANGE = 2
# The space of a profile, and Pillow's mode of the pictures that it is for.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# Exceptions of Pillow for damaged profiles, and of a Pillow without Little CMS.
_BROKEN = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError, ImportError)
# Maximum bytes of a profile; those of printers have up to 4 MB.
_MOST_BYTES = 2**23


def convert_to_srgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """Convert a picture to sRGB by its embedded profile.

    Args:
        image: in any mode of 8 bits a channel; grey pictures with a profile for colours are grey in sRGB.

    Returns:
        The picture, in mode RGB or RGBA if it was converted, else as it is; and whether its colours are known to be
        sRGB, which they are without a profile.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return image, True
    found = _find_transform(bytes(profile)) if len(profile) <= _MOST_BYTES else None
    if found is None:
        return image, False
    mode, transform = found
    if transform is None:
        return image, True
    if (image.mode == "CMYK") != (mode == "CMYK") or (mode == "L" and image.mode not in ("L", "LA", "1")):
        return image, False
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    try:
        converted = ImageCms.applyTransform(image.convert(mode), transform)
    except _BROKEN:
        return image, False
    if converted is None:
        return image, False
    if alpha is not None:
        converted.putalpha(alpha)
    return converted, True


@lru_cache(maxsize=32)
def _find_transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None] | None:
    """Return the mode that a profile is for, and the transform to sRGB; None for a profile that cannot be used.

    The transform is None for sRGB itself, so that such pictures keep their values.
    """
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES[opened.profile.xcolor_space.strip()]
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
        return mode, None if mode == "RGB" and _changes_nothing(transform) else transform
    except (KeyError, *_BROKEN):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    levels = np.linspace(0, 255, 6).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 6, 3)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
    return bool((np.abs(converted.astype(int) - colours) <= _LEAST_CHANGE).all())
