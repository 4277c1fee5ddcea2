"""Images, files of images and configurations for tests of data."""

import gzip
import struct

import numpy as np
from PIL import Image

from alae_core import load_config
from alae_workbench.data.load import load_data


def make_config(**overrides):
    return load_config("digits-mlp", overrides=overrides)


def grey_images(count, size=8):
    return np.random.default_rng(0).integers(0, 256, (count, size, size), np.uint8)


def random_pixels(count, size, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), np.uint8)


def block_means(images, size):
    """Compute the means of square blocks in float64."""
    count, height, _, channels = images.shape
    block = height // size
    return images.astype(np.float64).reshape(count, size, block, size, block, channels).mean((2, 4))


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as file:
        file.write(header + array.tobytes())


def load_for_training(name, skip_bad=False, **overrides):
    return load_data(str(name), make_config(**overrides), held_out=2, skip_bad=skip_bad)


def write_photos(folder, sizes=((20, 10), (8, 8), (9, 30), (64, 64), (10, 10))):
    """Write pictures of several shapes and modes with a dark left and a bright right half."""
    for index, (width, height) in enumerate(sizes):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, width // 2 :] = 250
        mode = ("RGB", "L", "RGBA", "P", "CMYK")[index % 5]
        ending = "jpg" if mode == "CMYK" else "png"
        path = folder / f"{'ab'[index % 2]}" / f"{index}.{ending}"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(pixels).convert(mode).save(path)
