"""Cutting a face out of a photo upright, as the data sets were cut that the published models were trained on.

Two landmarks decide a square: the middle between the eyes, and that between the corners of the mouth.
"""

from collections.abc import Sequence
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageFilter, ImageStat

Crop = Literal["ffhq", "celeba"]


class _Recipe(NamedTuple):
    """Half the square's side from the distances between the eyes and from eyes to mouth; how far down its centre is."""

    half: Literal["longer", "sum"]
    eyes: float
    mouth: float
    centre: float


#: "ffhq": Karras, Laine and Aila, A style-based generator architecture for GANs, as their data set FFHQ is described.
#: "celeba": fitted to 146 sample faces of the authors' ALAE at 128 pixels, whose half sides it finds to 2 %.
_RECIPES: dict[str, _Recipe] = {
    "ffhq": _Recipe("longer", 2.0, 1.8, 0.1),
    "celeba": _Recipe("sum", 0.78, 0.78, 0.345),
}
#: of the square's side: the picture's own pixels kept around it; what is made up where it leaves the picture; its blur
_MARGIN, _BEYOND, _BLUR = 0.1, 0.3, 0.02


def face_square(landmarks: np.ndarray, crop: Crop = "ffhq") -> np.ndarray:
    """The square to cut out around a face.

    Args:
        landmarks: as `Face.landmarks` has them.
        crop: how much of what is around the face is shown: as in FFHQ (the models for 1024²) or as in the authors'
            CelebA (128²), which is closer.

    Returns:
        Its upper left, lower left, lower right and upper right corner as the face sees them, float64 (4, 2), in
        the coordinates of the landmarks.
    """
    recipe = _RECIPES[crop]
    eyes, across, down = _features(landmarks)
    lengths = recipe.eyes * float(np.hypot(*across)), recipe.mouth * float(np.hypot(*down))
    half = max(lengths) if recipe.half == "longer" else sum(lengths)
    return make_square(eyes + recipe.centre * down, half, right_vector(landmarks))


def make_square(centre: np.ndarray, half: float, right: np.ndarray) -> np.ndarray:
    """The corners, as `square` returns them, of a square with half its side and the unit vector that is its right."""
    x, y = half * right, half * _turned(right)
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def right_vector(landmarks: np.ndarray) -> np.ndarray:
    """The unit vector to the right of an upright face: between that from eye to eye and across that to the mouth."""
    _, across, down = _features(landmarks)
    right = across - _turned(down)
    return right / np.hypot(*right)


def side_length(corners: np.ndarray) -> float:
    """The length of a square's side, in pixels of its photo."""
    return float(np.hypot(*(corners[3] - corners[0])))


def cut(photo: Image.Image, corners: np.ndarray, size: int) -> Image.Image:
    """What is in a square of an RGB photo, upright, as RGB of `size` pixels a side.

    Where the square leaves the photo, that is continued by its mirror image, blurred more and more, and turning into
    its median colour. Nothing is undersampled: each pixel is a mean over all that it covers.
    """
    side = side_length(corners)
    # What is much finer than the result is made coarser first, by whole numbers: exact, and quick.
    coarser = max(1, int(side / size / 2))
    low, high = corners.min(0) - _MARGIN * side, corners.max(0) + _MARGIN * side
    left, upper = map(int, np.maximum(np.floor(low), 0))
    right, lower = map(int, np.minimum(np.ceil(high), photo.size))
    region = photo.crop((left, upper, right, lower)).reduce(coarser)
    at, side = (corners - (left, upper)) / coarser, side / coarser
    # Left, upper, right, lower.
    beyond = np.concatenate([-at.min(0), at.max(0) - region.size])
    if (beyond > 0).any():
        widths = [int(max(_BEYOND * side, out + _MARGIN * side)) + 1 if out > 0 else 0 for out in beyond]
        region, at = _continued(region, widths, _BLUR * side), at + widths[:2]
    # As many samples as there are pixels at the least, which are then made fewer.
    samples = size * max(1, ceil(side / size))
    origin, x, y = at[0], (at[3] - at[0]) / samples, (at[1] - at[0]) / samples
    matrix = (x[0], y[0], origin[0], x[1], y[1], origin[1])
    planes = []
    for plane in region.split():
        # As floats: of bytes Pillow's transforms drop the fraction, and darken.
        sampled = plane.convert("F").transform(
            (samples, samples), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
        )
        planes.append(np.asarray(sampled.resize((size, size), Image.Resampling.LANCZOS)))
    return Image.fromarray(np.rint(np.clip(np.stack(planes, -1), 0, 255)).astype(np.uint8))


def _features(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middle between the eyes, the way from one to the other, and the way down to the mouth."""
    left, right, _, *mouth = landmarks.astype(np.float64)
    eyes = (left + right) / 2
    return eyes, right - left, np.mean(mouth, 0) - eyes


def _turned(vector: np.ndarray) -> np.ndarray:
    """Turned by a right angle, from right to down."""
    return np.array([-vector[1], vector[0]])


def _continued(region: Image.Image, widths: Sequence[int], blur: float) -> Image.Image:
    left, upper, right, lower = widths
    pixels = np.pad(np.asarray(region), ((upper, lower), (left, right), (0, 0)), "symmetric")
    mirrored = Image.fromarray(pixels)
    # Where the photo ends it is 0, where what is made up ends it is 1; inside the photo it is negative.
    depth = np.maximum(_depth(pixels.shape[0], upper, lower)[:, None], _depth(pixels.shape[1], left, right)[None])
    # Blur begins inside the photo, the median colour at its edge.
    blurred = Image.composite(mirrored.filter(ImageFilter.GaussianBlur(blur)), mirrored, _mask(3 * depth + 1))
    median = Image.new("RGB", mirrored.size, tuple(map(int, ImageStat.Stat(mirrored).median)))
    return Image.composite(median, blurred, _mask(depth))


def _depth(length: int, before: int, after: int) -> np.ndarray:
    """How deep each place is in what was put before or after, in parts of its width."""
    place = np.arange(length, dtype=np.float32)
    start = 1 - place / before if before else np.full(length, -np.inf, np.float32)
    end = 1 - place[::-1] / after if after else np.full(length, -np.inf, np.float32)
    return np.maximum(start, end)


def _mask(weights: np.ndarray) -> Image.Image:
    return Image.fromarray((255 * np.clip(weights, 0, 1)).astype(np.uint8))
