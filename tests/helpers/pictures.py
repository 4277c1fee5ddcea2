"""Reads the images in a picture back from its file."""

import numpy as np
from PIL import Image

from alae_core.images import to_uint8


def read_cells(file, sizes):
    """Cut a picture into its 16×16 images: (lines, columns, H, W, C) by section; `sizes` are lines and columns."""
    pixels, sections, y = np.asarray(Image.open(file)), [], 12
    paper = pixels[0, 0]
    assert (pixels[:, -12:] == paper).all(), "the text is not cut"
    for lines, columns in sizes:
        y += 21
        boxes = [[(y + 66 * line, 12 + 66 * column) for column in range(columns)] for line in range(lines)]
        sections.append(np.array([[pixels[top : top + 64 : 4, x : x + 64 : 4] for top, x in row] for row in boxes]))
        enlarged = pixels[y : y + 64, 12 + 66 * (columns - 1) : 12 + 66 * (columns - 1) + 64]
        assert np.array_equal(enlarged, sections[-1][0, -1].repeat(4, 0).repeat(4, 1))
        y += 66 * lines + 6
    assert (pixels[y : y + 15] != paper).any(), "the caption follows"
    return sections


def are_alike(shown, images):
    """Return whether a picture shows `images`, up to one grey level."""
    assert (np.abs(images) < 1).mean() > 0.8, "clipped images would show no difference"
    return np.abs(shown.astype(int) - to_uint8(images).astype(int)).max() <= 1
