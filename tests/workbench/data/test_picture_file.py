"""Image files of every kind, written by formulas or byte by byte, and what they are read as."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from alae_workbench import DataError
from alae_workbench.data.collection import DecodedOnRequest, decode
from alae_workbench.data.picture_file import read_image, read_photo
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import read_all


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(pixels, depth=8, kind=0, extra=b""):
    """A PNG file by its own specification: no library that is tested wrote it. `kind` 0 is grey, 2 RGB, 3 a palette."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in pixels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def palette(colours):
    return chunk(b"PLTE", np.array(colours, np.uint8).tobytes())


RAMP = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_keep_their_range(tmp_path, channels):
    (tmp_path / "ramp.png").write_bytes(png(RAMP, depth=16))
    found = read_image(tmp_path / "ramp.png", (8, 8, channels))
    assert found.dtype == np.uint8
    expected = np.rint(RAMP / 257).astype(np.uint8)
    for channel in range(channels):
        assert np.array_equal(found[..., channel], expected)
        assert np.array_equal(np.asarray(read_photo(tmp_path / "ramp.png"))[..., channel], expected)


def test_sixteen_bits_of_colour_keep_their_upper_half(tmp_path):
    colours = np.stack([RAMP, RAMP.T, RAMP[::-1]], -1)
    (tmp_path / "colours.png").write_bytes(png(colours, depth=16, kind=2))
    assert np.abs(read_image(tmp_path / "colours.png", (8, 8, 3)) - colours / 257).max() <= 1


def test_a_palette_is_its_colours(tmp_path):
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
def test_floats_fill_the_range_that_they_keep_to(tmp_path, bottom, top):
    share = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(bottom + share * np.float32(top - bottom)).save(tmp_path / "floats.tiff")
    found = read_image(tmp_path / "floats.tiff", (8, 8, 1))[..., 0]
    assert np.abs(found - share * 255).max() <= 0.51


@pytest.mark.parametrize("values", [[0.0, 70000.0], [-2.0, 1.0], [0.0, np.nan], [0.0, np.inf]])
def test_floats_of_no_known_range_are_refused(tmp_path, values):
    Image.fromarray(np.full((8, 8), values[0], np.float32)).save(tmp_path / "floats.tiff")
    pixels = np.full((8, 8), values[0], np.float32)
    pixels[3, 4] = values[1]
    Image.fromarray(pixels).save(tmp_path / "floats.tiff")
    with pytest.raises(DataError, match=r"floats.tiff \(its values reach from .*: nobody can tell"):
        read_image(tmp_path / "floats.tiff", (8, 8, 1))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, mode):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, 4:, 3] = 255
    if mode == "P":
        # Both numbers are black, and the first is transparent.
        content = png(pixels[..., 3] // 255, kind=3, extra=palette([(0, 0, 0), (0, 0, 0)]) + chunk(b"tRNS", b"\0"))
        (tmp_path / "image.png").write_bytes(content)
    else:
        Image.fromarray(pixels).convert(mode).save(tmp_path / "image.png")
    found = read_image(tmp_path / "image.png", (8, 8, 3))
    assert (found[:, :4] == 255).all(), "black beneath nothing"
    assert (found[:, 4:] == 0).all()


def test_an_image_of_another_shape_is_cropped_or_padded(tmp_path):
    pixels = np.full((8, 16), 90, np.uint8)
    pixels[:, :4] = pixels[:, 12:] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (read_image(tmp_path / "wide.png", (8, 8, 1)) == 90).all()
    padded = read_image(tmp_path / "wide.png", (16, 16, 1), "pad")[..., 0]
    assert np.array_equal(padded, np.pad(pixels, ((4, 4), (0, 0))))


def test_of_an_animation_the_first_picture_is_seen(tmp_path):
    first, second = (Image.new("L", (8, 8), value) for value in (40, 200))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=[second])
    assert np.abs(read_image(tmp_path / "moving.gif", (8, 8, 1)).astype(int) - 40).max() <= 1


def test_a_large_folder_is_decoded_when_it_is_asked_for(tmp_path, monkeypatch):
    draw = np.random.default_rng(0)
    for number in range(5):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (9, 8, 3), np.uint8)).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    (tmp_path / "a" / "torn.png").write_bytes(b"torn")
    kept, bad = decode(open_source(str(tmp_path)), (8, 8, 3))
    monkeypatch.setattr("alae_workbench.data.collection._KEPT_BYTES", 100)
    found, bad_too = decode(open_source(str(tmp_path)), (8, 8, 3))
    assert isinstance(found, DecodedOnRequest)
    assert bad == bad_too
    assert len(bad) == 1
    assert repr(found) == repr(kept)
    assert np.array_equal(found.labels, kept.labels)
    for size in (None, 4):
        assert np.array_equal(read_all(found, size), read_all(kept, size))
    assert found.images(np.array([], int)).shape == (0, 8, 8, 3)
    # Whatever changes, the fingerprint does.
    prints = {found.fingerprint}
    Image.fromarray(draw.integers(0, 256, (9, 8, 3), np.uint8)).save(tmp_path / "b" / "1.png")
    prints.add(decode(open_source(str(tmp_path)), (8, 8, 3))[0].fingerprint)
    # The same images in the same order, of which one has another class.
    (tmp_path / "b" / "1.png").rename(tmp_path / "a" / "5.png")
    prints.add(decode(open_source(str(tmp_path)), (8, 8, 3))[0].fingerprint)
    assert len(prints) == 3
    (tmp_path / "a" / "0.png").write_bytes(b"torn since")
    with pytest.raises(DataError, match=r"0\.png"):
        read_all(found)
