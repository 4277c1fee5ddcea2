"""Upright square crops of faces, like those of the data sets that the published models were trained on.

Two points determine the square: the midpoint of the eyes, and the midpoint of the corners of the mouth.
"""

from collections.abc import Sequence
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageFilter, ImageStat

Crop = Literal["ffhq", "celeba"]


class _Recipe(NamedTuple):
    """The square of a crop. Two lengths determine it: between the eyes, and from the eyes down to the mouth.

    Attributes:
        half: how the two lengths, each multiplied by its factor, give half the side: their maximum or their sum.
        eyes, mouth: the factors.
        centre: the distance from the eyes to the square's centre, as a fraction of that from the eyes to the mouth.
    """

    half: Literal["longer", "sum"]
    eyes: float
    mouth: float
    centre: float


#: "ffhq": from the description of the data set FFHQ (Karras, Laine and Aila 2019, A style-based generator architecture
#: for GANs). "celeba": fitted to 146 sample faces of the authors' ALAE at 128 pixels; half sides agree to 2 %.
_RECIPES: dict[str, _Recipe] = {
    "ffhq": _Recipe("longer", 2.0, 1.8, 0.1),
    "celeba": _Recipe("sum", 0.78, 0.78, 0.345),
}
#: fractions of the square's side: the margin of photo around it that is used, the width over which the photo continues
#: beyond its edge, and the blur radius there
_MARGIN, _BEYOND, _BLUR = 0.1, 0.3, 0.02


def face_square(landmarks: np.ndarray, crop: Crop = "ffhq") -> np.ndarray:
    """Return the square around a face.

    Args:
        landmarks: see `Face.landmarks`.
        crop: how much of the surroundings to include: as in FFHQ (the models for 1024²), or closer as in the authors'
            CelebA (128²).

    Returns:
        The upper left, lower left, lower right and upper right corners of the upright face, float64 (4, 2), in the
        coordinates of the landmarks.
    """
    recipe = _RECIPES[crop]
    eyes, across, down = _measure_landmarks(landmarks)
    lengths = recipe.eyes * float(np.hypot(*across)), recipe.mouth * float(np.hypot(*down))
    half = max(lengths) if recipe.half == "longer" else sum(lengths)
    return make_square(eyes + recipe.centre * down, half, right_vector(landmarks))


def make_square(centre: np.ndarray, half: float, right: np.ndarray) -> np.ndarray:
    """Return the corners of a square as `face_square` does, from half its side and the unit vector to its right."""
    x, y = half * right, half * _rotate(right)
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def right_vector(landmarks: np.ndarray) -> np.ndarray:
    """Return the unit vector to the right of the face: the mean of eye to eye, and eyes to mouth rotated by 90°."""
    _, across, down = _measure_landmarks(landmarks)
    right = across - _rotate(down)
    return right / np.hypot(*right)


def side_length(corners: np.ndarray) -> float:
    """Return the side of a square in pixels of its photo."""
    return float(np.hypot(*(corners[3] - corners[0])))


def crop_square(photo: Image.Image, corners: np.ndarray, size: int) -> Image.Image:
    """Crop a square of an RGB photo, rotated upright, to RGB of `size` pixels a side.

    Beyond its edge, the photo continues as its mirror image, which blurs and fades to the median colour. Each pixel is
    a mean over the area it covers, which prevents aliasing.
    """
    side = side_length(corners)
    # Reducing by a whole factor first is exact and fast.
    coarser = max(1, int(side / size / 2))
    low, high = corners.min(0) - _MARGIN * side, corners.max(0) + _MARGIN * side
    left, upper = map(int, np.maximum(np.floor(low), 0))
    right, lower = map(int, np.minimum(np.ceil(high), photo.size))
    region = photo.crop((left, upper, right, lower)).reduce(coarser)
    at, side = (corners - (left, upper)) / coarser, side / coarser
    # How far the square reaches beyond the left, upper, right and lower edge.
    beyond = np.concatenate([-at.min(0), at.max(0) - region.size])
    if (beyond > 0).any():
        widths = [int(max(_BEYOND * side, out + _MARGIN * side)) + 1 if out > 0 else 0 for out in beyond]
        region, at = _continue_beyond(region, widths, _BLUR * side), at + widths[:2]
    # At least one sample for each pixel of the photo; resizing then averages them.
    samples = size * max(1, ceil(side / size))
    origin, x, y = at[0], (at[3] - at[0]) / samples, (at[1] - at[0]) / samples
    matrix = (x[0], y[0], origin[0], x[1], y[1], origin[1])
    planes = []
    for plane in region.split():
        # Pillow's transforms truncate bytes, which darkens them; they do not truncate floats.
        sampled = plane.convert("F").transform(
            (samples, samples), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
        )
        planes.append(np.asarray(sampled.resize((size, size), Image.Resampling.LANCZOS)))
    return Image.fromarray(np.rint(np.clip(np.stack(planes, -1), 0, 255)).astype(np.uint8))


def _measure_landmarks(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the midpoint of the eyes, the vector from the left eye to the right, and the vector down to the mouth."""
    left, right, _, *mouth = landmarks.astype(np.float64)
    eyes = (left + right) / 2
    return eyes, right - left, np.mean(mouth, 0) - eyes


def _rotate(vector: np.ndarray) -> np.ndarray:
    """Rotate by 90° clockwise: right becomes down."""
    return np.array([-vector[1], vector[0]])


def _continue_beyond(region: Image.Image, widths: Sequence[int], blur: float) -> Image.Image:
    """Extend a picture by its blurred mirror image, `widths` pixels beyond its left, upper, right and lower edge."""
    left, upper, right, lower = widths
    pixels = np.pad(np.asarray(region), ((upper, lower), (left, right), (0, 0)), "symmetric")
    mirrored = Image.fromarray(pixels)
    # Negative inside the photo, 0 at its edge, 1 at the edge of the result.
    depth = np.maximum(_depth_of(pixels.shape[0], upper, lower)[:, None], _depth_of(pixels.shape[1], left, right)[None])
    # The blur begins inside the photo, the median colour at its edge.
    blurred = Image.composite(mirrored.filter(ImageFilter.GaussianBlur(blur)), mirrored, _make_mask(3 * depth + 1))
    median = Image.new("RGB", mirrored.size, tuple(map(int, ImageStat.Stat(mirrored).median)))
    return Image.composite(median, blurred, _make_mask(depth))


def _depth_of(length: int, before: int, after: int) -> np.ndarray:
    """Return each position's depth in the `before` positions prepended or the `after` appended, as a fraction."""
    place = np.arange(length, dtype=np.float32)
    start = 1 - place / before if before else np.full(length, -np.inf, np.float32)
    end = 1 - place[::-1] / after if after else np.full(length, -np.inf, np.float32)
    return np.maximum(start, end)


def _make_mask(weights: np.ndarray) -> Image.Image:
    return Image.fromarray((255 * np.clip(weights, 0, 1)).astype(np.uint8))
