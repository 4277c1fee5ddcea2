"""Files that are opened on the page: pictures of other programs, and files that are not pictures."""

import json
import struct
import zlib
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from tests.helpers.browser import needs_browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.framework,
    needs_browser,
    pytest.mark.skipif(find_spec("onnxruntime") is None, reason="the extra [export] is not installed"),
]


def make_hostile_files(folder):
    """Write files that claim to be pictures, each with the message that it must give."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    # A JPEG of 20,000 by 20,000 pixels, as far as its header, after a camera's data of 60 kB.
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, 20_000, 20_000, 1) + b"\x01\x11\x00"
    jpeg = b"\xff\xd8\xff\xe1" + struct.pack(">H", 60_000) + bytes(59_998) + frame
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    script = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "hit"</script></svg>'
    for name, content, message in (
        ("huge.png", header, "has 900 million pixels; the limit is 100"),
        ("huge.jpg", jpeg, "has 400 million pixels; the limit is 100"),
        ("photo.heic", b"\0\0\0\x18ftypheic", "photo.heic is not a PNG, JPEG, WebP, GIF, AVIF or BMP picture"),
        ("text.png", b"hello", "text.png is not a PNG, JPEG, WebP, GIF, AVIF or BMP picture"),
        ("script.svg", script, "script.svg is not a PNG, JPEG, WebP, GIF, AVIF or BMP picture"),
        ("svg.png", script, "svg.png is not a PNG, JPEG, WebP, GIF, AVIF or BMP picture"),
        ("torn.png", header[:16] + struct.pack(">II", 8, 8), "torn.png cannot be read as a picture"),
        ("empty.png", b"", "empty.png is not a PNG, JPEG, WebP, GIF, AVIF or BMP picture"),
    ):
        (folder / name).write_bytes(content)
        yield folder / name, message


def make_pictures(folder):
    """Write files of a picture whose upper half is red and lower half blue, and yield each with the expected colours.

    The colours are those of pixels near the edges, by row and column.
    """
    red, blue, white, black = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32], pixels[32:] = red, blue
    image = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(folder / "phone.jpg", exif=turned, quality=95, subsampling=0)
    yield folder / "phone.jpg", {(16, 2): blue, (16, -3): red}
    image.convert("CMYK").save(folder / "print.jpg", quality=95)
    yield folder / "print.jpg", {(2, 16): red, (-3, 16): blue}
    image.save(folder / "film.gif", save_all=True, append_images=[Image.new("RGB", (64, 64))], duration=20)
    yield folder / "film.gif", {(2, 16): red, (-3, 16): blue}
    image.convert("P").save(folder / "palette.png")
    yield folder / "palette.png", {(2, 16): red, (-3, 16): blue}
    Image.new("RGBA", (64, 64)).save(folder / "clear.png")
    yield folder / "clear.png", {(2, 16): white, (-3, 16): white}
    Image.new("RGB", (1, 1), blue).save(folder / "tiny.png")
    yield folder / "tiny.png", {(0, 0): blue, (-1, -1): blue}
    Image.new("L", (3, 5000)).save(folder / "thin.png")
    yield folder / "thin.png", {(0, 0): black, (-1, -1): black}


def test_pictures_of_phones_and_other_programs_are_opened(browser, address, tmp_path):
    browser.open(f"{address}#reconstruct")
    for path, colours in make_pictures(tmp_path):
        browser.run("document.querySelector('.pair canvas').dataset.drawn = ''")
        browser.open_file(path)
        browser.wait("document.querySelector('.pair canvas').dataset.drawn")
        picture = browser.read_pictures(".pair canvas")[0].astype(int)
        for place, colour in colours.items():
            assert np.abs(picture[place] - colour).max() <= 3, (path.name, place)
    assert "cropped to its centre" in browser.run("return document.querySelector('#panel .hint').textContent")
    assert browser.read_errors() == []


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_file_is_pasted_or_dropped_anywhere(browser, address, event):
    """Browsers leave the page for a file that is dropped beside its place, unless the page handles it."""
    kind, data = {"paste": ("ClipboardEvent", "clipboardData"), "drop": ("DragEvent", "dataTransfer")}[event]
    give = f"""const done = arguments[0];
        const canvas = new OffscreenCanvas(8, 8);
        const context = canvas.getContext("2d");
        context.fillStyle = "#00ff00";
        context.fillRect(0, 0, 8, 8);
        canvas.convertToBlob().then((blob) => {{
          const data = new DataTransfer();
          data.items.add(new File([blob], "green.png"));
          const options = {{ {data}: data, bubbles: true, cancelable: true }};
          done(!document.body.dispatchEvent(new {kind}("{event}", options)));
        }});"""
    browser.open(f"{address}#sample")
    assert browser.call(give), "the browser would leave the page"
    assert browser.run("return location.hash") == "#sample"
    browser.follow("#reconstruct")
    browser.call(give)
    browser.wait("location.hash.includes('of=w')")
    browser.settle()
    assert browser.read_pictures(".pair canvas")[0][16, 16].tolist() == [0, 255, 0]
    assert browser.read_errors() == []


def test_files_that_are_not_pictures_are_refused(browser, address, tmp_path):
    browser.open(f"{address}#reconstruct")
    before = browser.read_pictures(".pair canvas")
    for path, message in make_hostile_files(tmp_path):
        browser.open_file(path)
        browser.wait(f"document.querySelector('.chooser [role=alert]').textContent.includes({json.dumps(message)})")
    browser.settle()
    assert all(map(np.array_equal, browser.read_pictures(".pair canvas"), before))
    assert browser.run("return document.title") != "hit"
