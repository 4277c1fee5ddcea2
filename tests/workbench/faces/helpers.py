"""Faces shared by the tests in this folder."""

import numpy as np
from PIL import Image

from alae_workbench.faces.detector import Face
from tests.helpers.requirements import FACES

#: landmarks of an upright face: eyes 32 pixels apart and the mouth 32 below them, so the FFHQ crop is 128 pixels wide
UPRIGHT = np.array([[48.0, 60], [80, 60], [64, 75], [54, 92], [74, 92]])


def rotate(points, degrees, scale=1.0, shift=(0.0, 0.0)):
    """Return `points` (count, 2) rotated clockwise, scaled and shifted."""
    angle = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return points @ matrix + shift


def read_sample(number):
    """Read one of the authors' sample faces, RGB of 128 pixels."""
    with Image.open(sorted(FACES.glob("*.png"))[number]) as image:
        return image.convert("RGB")


class FakeFinder:
    """Finds as many faces in a photo as the red value of its first pixel."""

    def find_faces(self, photo):
        count, scale = photo.getpixel((0, 0))[0], photo.width / 256
        return [Face(np.array([0, 0, 128, 128]) * scale, 1.0, UPRIGHT * scale) for _ in range(count)]
