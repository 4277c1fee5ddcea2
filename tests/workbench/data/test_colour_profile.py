"""Embedded colour profiles."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from alae_workbench.data.picture_file import Reading, read_image

# Columns of matrices to XYZ, adapted to D50.
SRGB = [(0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]
ADOBE = [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)]


def s15(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def profile(columns, gamma=2.2, space=b"RGB "):
    """Make an ICC profile of version 2, with a matrix for colours or only a curve for grey."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = [(b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"mine\0" + bytes(78))]
    tags += [(b"wtpt", b"XYZ " + bytes(4) + s15(0.9642, 1, 0.8249))]
    if space == b"RGB ":
        tags += [
            (b"%cXYZ" % name, b"XYZ " + bytes(4) + s15(*column)) for name, column in zip(b"rgb", columns, strict=True)
        ]
        tags += [(b"%cTRC" % name, curve) for name in b"rgb"]
    else:
        tags += [(b"kTRC", curve)]
    table, content, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags:
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", at + len(content), len(value))
        content += value
    size = at + len(content)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + s15(0.9642, 1, 0.8249)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + content


def to_srgb(pixels, columns, gamma):
    """Convert colours without a library: linear light, XYZ, linear sRGB, the curve of sRGB."""
    linear = (pixels / 255) ** gamma @ np.array(columns) @ np.linalg.inv(np.array(SRGB))
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


COLOURS = np.random.default_rng(0).integers(60, 200, (8, 8, 3), np.uint8)


def test_colours_are_converted_to_srgb(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=profile(ADOBE))
    expected = to_srgb(COLOURS, ADOBE, 2.2)
    assert np.abs(expected - COLOURS).max() > 10, "the profile changes nothing"
    assert np.abs(read_image(tmp_path / "a.png", (8, 8, 3)) - expected).max() <= 2
    assert np.array_equal(read_image(tmp_path / "a.png", (8, 8, 3), Reading(early=True)), COLOURS)


def test_grey_and_transparent_pictures_are_converted(tmp_path):
    grey = COLOURS[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png", icc_profile=profile([], 1.8, b"GRAY"))
    expected = to_srgb(np.repeat(grey[..., None], 3, 2), SRGB, 1.8)[..., 0]
    assert np.abs(read_image(tmp_path / "a.png", (8, 8, 1))[..., 0] - expected).max() <= 2
    clear = np.dstack([COLOURS, np.full((8, 8), 255, np.uint8)])
    clear[:4, :, 3] = 0
    Image.fromarray(clear).save(tmp_path / "b.png", icc_profile=profile(ADOBE))
    found = read_image(tmp_path / "b.png", (8, 8, 3))
    assert (found[:4] == 255).all()
    assert np.abs(found[4:] - to_srgb(COLOURS, ADOBE, 2.2)[4:]).max() <= 2


@pytest.mark.parametrize(
    "content", [profile(ADOBE)[:200], b"x" * 200, b"x", profile([], 2.2, b"GRAY"), profile(ADOBE, space=b"CMYK")]
)
def test_pictures_with_unusable_profiles_keep_their_values(tmp_path, content):
    Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=content)
    assert np.array_equal(read_image(tmp_path / "a.png", (8, 8, 3)), COLOURS)


def test_srgb_itself_changes_no_value(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=srgb)
    assert np.array_equal(read_image(tmp_path / "a.png", (8, 8, 3)), COLOURS)
