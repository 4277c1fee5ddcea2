"""Picture files with random content, random damage to any file, and every way to read data."""

import io

from PIL import Image

from alae_core import load_config
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.source import read_all
from tests.fuzz.hostile import pick

GREY, COLOUR = load_config("digits-mlp"), load_config("digits-mlp", {"image": [8, 8, 3]})


def reader_of(path, config=GREY):
    """Return a function that reads the data at `path` for training and as images."""

    def read():
        found = load_data(str(path), config, held_out=1)
        return read_all(found.train), read_all(load_images(str(path), config))

    return read


def damage(random, content):
    """Return the bytes of a file, unchanged half of the time, else with some cut off, changed, doubled or replaced."""
    if random.random() < 0.5:
        return content
    found = bytearray(content)
    for _ in range(random.integers(0, 3)):
        at = int(random.integers(len(found) + 1))
        match random.integers(4):
            case 0:
                del found[at:]
            case 1:
                found[at : at + 4] = random.bytes(4)
            case 2:
                found[at:at] = found[at : at + 50]
            case _:
                found[at : at + 4] = pick(random, [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"PK\x03\x04"])
    return bytes(found)


def picture_file(random):
    """Return the bytes of a picture file in a random format, mode and size."""
    mode = pick(random, ["L", "RGB", "RGBA", "P", "CMYK", "I;16", "I", "F", "1", "LA"])
    size = pick(random, [(8, 8), (1, 1), (9, 30), (300, 2), (64, 64)])
    image = Image.frombytes("RGB", size, random.bytes(3 * size[0] * size[1])).convert("L" if mode == "I;16" else mode)
    content = io.BytesIO()
    kind = pick(random, ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "ICO", "TGA", "AVIF", "QOI", "PCX", "SGI"])
    try:
        image.save(content, kind)
    except (OSError, ValueError, KeyError):
        image.convert("RGB").save(content, "PNG")
    return content.getvalue()
