"""Images as arrays: conversion between uint8 and floats, and downsampling by block means."""

import numpy as np

from alae_core.errors import ArgumentError


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Convert grey levels 0 … 255 to float32 in [−1, 1]: pixels / 127.5 − 1."""
    floats = pixels.astype(np.float32)
    floats /= np.float32(127.5)
    floats -= np.float32(1)
    return floats


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Return the nearest grey levels of float images in [−1, 1]; values outside are clipped."""
    return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)


def pooled(images: np.ndarray, size: int) -> np.ndarray:
    """Downsample images to a coarser level: each pixel is the mean of a square block.

    Args:
        images: square images (count, H, H, C), uint8 or floats.
        size: H, or H divided by a power of two.

    Returns:
        `images` itself if `size` is H; otherwise float32 (count, size, size, C) in the range of `images`. Means of
        uint8 are in 0 … 255, not rounded, and exact for blocks of up to 256×256 pixels.

    Raises ArgumentError if the images cannot be reduced to `size`.
    """
    return images if images.shape[1:3] == (size, size) else means(block_sums(images, size), images.shape[1] // size)


def block_sums(images: np.ndarray, size: int) -> np.ndarray:
    """Return the sum of each square block, from which `pooled` computes means; exact for uint8.

    Args:
        images, size: see `pooled`.

    Returns:
        (count, size, size, C): for uint8 in the narrowest unsigned dtype that holds every sum, for floats in float64.

    Raises ArgumentError as `pooled` does.
    """
    count, height, width, channels = images.shape
    if height != width or size < 1 or height % size or (height // size).bit_count() != 1:
        raise ArgumentError(
            "size",
            f"is {size}, but images of {height}×{width} cannot be reduced to {size}×{size}: "
            "they must be square, and larger by a power of two",
        )
    block = height // size
    # The narrowest dtype: half the bytes take half the time.
    total = np.float64 if images.dtype.kind == "f" else np.min_scalar_type(255 * block * block)
    sums = np.add.reduce(images.reshape(count * size, block, width * channels), axis=1, dtype=total)
    # In pairs of columns, channel by channel: NumPy is slow at sums along short axes.
    while sums.shape[1] > size * channels:
        halved = np.empty((len(sums), sums.shape[1] // 2), total)
        for channel in range(channels):
            left, right = sums[:, channel :: 2 * channels], sums[:, channels + channel :: 2 * channels]
            np.add(left, right, out=halved[:, channel::channels])
        sums = halved
    return sums.reshape(count, size, size, channels)


def means(sums: np.ndarray, block: int) -> np.ndarray:
    """Return the float32 means of blocks of `block`×`block` pixels from their sums."""
    found = sums.astype(np.float32)
    found /= np.float32(block * block)
    return found
