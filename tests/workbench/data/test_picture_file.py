"""Picture files: bit depths, palettes, transparency, rotation, fitting, and formats."""

import struct
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from alae_workbench.data.load import load_images
from alae_workbench.data.picture_file import Reading, read_image, read_photo
from alae_workbench.data.source import DataError, read_all
from tests.helpers.data import make_config


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(pixels, depth=8, kind=0, extra=b""):
    """Encode a PNG file without the library under test; `kind` 0 is grey, 2 RGB, 3 a palette."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in pixels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def palette(colours):
    return chunk(b"PLTE", np.array(colours, np.uint8).tobytes())


RAMP = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_grey_is_scaled(tmp_path, channels):
    (tmp_path / "ramp.png").write_bytes(png(RAMP, depth=16))
    found = read_image(tmp_path / "ramp.png", (8, 8, channels))
    assert found.dtype == np.uint8
    expected = np.rint(RAMP / 257).astype(np.uint8)
    for channel in range(channels):
        assert np.array_equal(found[..., channel], expected)
        assert np.array_equal(np.asarray(read_photo(tmp_path / "ramp.png"))[..., channel], expected)


def test_16_bit_colour_keeps_its_high_bytes(tmp_path):
    colours = np.stack([RAMP, RAMP.T, RAMP[::-1]], -1)
    (tmp_path / "colours.png").write_bytes(png(colours, depth=16, kind=2))
    assert np.abs(read_image(tmp_path / "colours.png", (8, 8, 3)) - colours / 257).max() <= 1


def test_palettes_are_applied(tmp_path):
    colours = [(250, 0, 0), (0, 240, 0), (0, 0, 230), (9, 8, 7)]
    numbers = np.arange(64).reshape(8, 8) % 4
    (tmp_path / "palette.png").write_bytes(png(numbers, kind=3, extra=palette(colours)))
    found = read_image(tmp_path / "palette.png", (8, 8, 3))
    assert np.array_equal(found, np.array(colours, np.uint8)[numbers])


@pytest.mark.parametrize(
    ("bottom", "top"),
    [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 65535.0)],
    ids=["0..1", "-1..1", "bytes", "16 bits"],
)
def test_floats_of_a_recognised_range_are_scaled(tmp_path, bottom, top):
    share = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(bottom + share * np.float32(top - bottom)).save(tmp_path / "floats.tiff")
    found = read_image(tmp_path / "floats.tiff", (8, 8, 1))[..., 0]
    assert np.abs(found - share * 255).max() <= 0.51


@pytest.mark.parametrize("values", [[0.0, 70000.0], [-2.0, 1.0], [0.0, np.nan], [0.0, np.inf]])
def test_floats_outside_all_ranges_are_refused(tmp_path, values):
    Image.fromarray(np.full((8, 8), values[0], np.float32)).save(tmp_path / "floats.tiff")
    pixels = np.full((8, 8), values[0], np.float32)
    pixels[3, 4] = values[1]
    Image.fromarray(pixels).save(tmp_path / "floats.tiff")
    with pytest.raises(
        DataError, match=r"floats.tiff \(its values range from .*, so black and white cannot be determined"
    ):
        read_image(tmp_path / "floats.tiff", (8, 8, 1))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_become_white(tmp_path, mode):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, 4:, 3] = 255
    if mode == "P":
        # Both entries of the palette are black; the first is transparent.
        content = png(pixels[..., 3] // 255, kind=3, extra=palette([(0, 0, 0), (0, 0, 0)]) + chunk(b"tRNS", b"\0"))
        (tmp_path / "image.png").write_bytes(content)
    else:
        Image.fromarray(pixels).convert(mode).save(tmp_path / "image.png")
    found = read_image(tmp_path / "image.png", (8, 8, 3))
    assert (found[:, :4] == 255).all(), "transparent pixels are not white"
    assert (found[:, 4:] == 0).all()


def test_other_shapes_are_cropped_or_padded(tmp_path):
    pixels = np.full((8, 16), 90, np.uint8)
    pixels[:, :4] = pixels[:, 12:] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (read_image(tmp_path / "wide.png", (8, 8, 1)) == 90).all()
    padded = read_image(tmp_path / "wide.png", (16, 16, 1), Reading("pad"))[..., 0]
    assert np.array_equal(padded, np.pad(pixels, ((4, 4), (0, 0))))


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    first, second = (Image.new("L", (8, 8), value) for value in (40, 200))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=[second])
    assert np.abs(read_image(tmp_path / "moving.gif", (8, 8, 1)).astype(int) - 40).max() <= 1


def test_exif_orientation_is_applied(tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, 4:] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # rotated by 180°
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    found = read_all(load_images(str(tmp_path / "turned.png"), make_config()))[0, :, :, 0]
    assert found[:, :4].min() > 200


def test_a_disguised_postscript_file_is_never_opened(tmp_path, monkeypatch):
    """Pillow ignores the ending, and would run a PostScript file through Ghostscript."""

    def ghostscript(*_, **__):
        pytest.fail("Ghostscript was called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    disguised = tmp_path / "photo.png"
    disguised.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with Image.open(disguised) as image:
        assert image.format == "EPS", "Pillow would take it"
    for name in (disguised, tmp_path):
        with pytest.raises(DataError, match=r"photo.png \(its content is none of PNG, JPEG, WEBP, BMP, [A-Z0-9, ]*\)"):
            load_images(str(name), make_config())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "is a pointer of Git LFS, .* git lfs pull",
        ),
        (b"\n<!DOCTYPE html><html>404", "it is a web page, not a picture: download it again"),
        (b"", "it is empty"),
        (b"text", "its content is none of PNG, JPEG"),
    ],
)
def test_errors_explain_what_a_file_is_instead(tmp_path, content, message):
    (tmp_path / "0.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"0.png \(.*{message}"):
        read_image(tmp_path / "0.png", (8, 8, 1))


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"])
def test_every_listed_format_is_read(tmp_path, ending):
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(tmp_path / f"grey.{ending}")
    found = read_all(load_images(str(tmp_path / f"grey.{ending}"), make_config()))
    assert np.abs(found.astype(int) - 77).max() <= 2
