"""Finding faces in a photo, and the eyes, nose and mouth of each: a cascade of three networks over ever fewer places.

The first looks at the photo in many sizes, the second at what the first took for a face, and the third, at still more
pixels, answers where its five landmarks are. Thresholds are those of the package mtcnn.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from alae_core.backend import Backend
from alae_workbench.faces.align import cut, make_square, right_vector
from alae_workbench.faces.mtcnn import ONET, PNET, RNET, Network, load_network

#: pixels of the smallest face that is looked for; of a large photo this share of its shorter side
SMALLEST, SMALLEST_SHARE = 20, 1 / 50
_STEP = 0.709  # between one size of the photo and the next
# The network's places lie two pixels apart; a tile has so many of them a side.
_STRIDE, _PLACES = 2, 64
_TILE = _STRIDE * (_PLACES - 1) + PNET.size
# The cosine of 10 degrees: faces turned by more are looked at again.
_STRAIGHT = 0.985
_GREY = (128, 128, 128)


class Face(NamedTuple):
    """A face in a photo; coordinates in pixels, (0, 0) the photo's upper left corner and not the centre of a pixel.

    Attributes:
        box: left, upper, right and lower edge, float64 (4,).
        score: how sure it is, 0 … 1.
        landmarks: x and y of both eyes, nose and the mouth's corners, float64 (5, 2), the left in the photo first.
    """

    box: np.ndarray
    score: float
    landmarks: np.ndarray

    @property
    def side(self) -> float:
        """The longer side of its box."""
        return float(max(self.box[2:] - self.box[:2]))


class Detector:
    """Finds faces, on a backend; None stands for Keras on whatever it runs, not compiled.

    Raises CheckpointError where the networks' weights cannot be had; see `weights`.
    """

    def __init__(self, backend: Backend | None) -> None:
        self._propose, self._refine, self._look = (load_network(network, backend) for network in (PNET, RNET, ONET))

    def find_faces(self, photo: Image.Image) -> list[Face]:
        """The faces in an upright RGB photo, the largest first."""
        boxes = self._proposals(photo)
        if len(boxes):
            answers, scores = self._refine(_patches(photo, boxes, RNET))
            boxes, *_ = _distinct(_moved(boxes, answers), scores[:, 1], above=0.7, overlap=0.7)
            boxes = _squares(boxes)
        if not len(boxes):
            return []
        answers, places, scores = self._look(_patches(photo, boxes, ONET))
        landmarks = boxes[:, None, :2] + _points(places) * (boxes[:, 2:] - boxes[:, :2])[:, None]
        boxes, scores, landmarks = _distinct(
            _moved(boxes, answers), scores[:, 1], landmarks, above=0.8, overlap=0.7, of_smaller=True
        )
        found = [Face(box, float(score), points) for box, score, points in zip(boxes, scores, landmarks, strict=True)]
        # Some are found in the grey around the photo.
        found = [face for face in found if ((face.landmarks > 0) & (face.landmarks < photo.size)).all(1).any()]
        return [self._upright(photo, face) for face in sorted(found, key=lambda face: -face.side)]

    def _upright(self, photo: Image.Image, face: Face) -> Face:
        """The face, its landmarks those that are found once it is turned upright: the networks hardly know others."""
        right = right_vector(face.landmarks)
        if right[0] > _STRAIGHT:
            return face
        corners = make_square((face.box[:2] + face.box[2:]) / 2, face.side / 2, right)
        _, places, _ = self._look(np.asarray(cut(photo, corners, ONET.size))[None])
        x, y = corners[3] - corners[0], corners[1] - corners[0]
        return face._replace(landmarks=corners[0] + _points(places)[0] @ np.stack([x, y]))

    def _proposals(self, photo: Image.Image) -> np.ndarray:
        """Squares that may be faces, (count, 4)."""
        levels = list(_levels(photo))
        if not levels:
            return np.empty((0, 4))
        tiles, origins, of = _tiles(levels)
        answers, sure = self._propose(tiles)
        sizes = np.array([level.size for level in levels])
        tile, row, column = np.nonzero(sure[..., 1] > 0.6)
        corners = origins[tile] + _STRIDE * np.stack([column, row], 1)
        cells = _moved(np.concatenate([corners, corners + PNET.size], 1), answers[tile, row, column])
        # What a tile has beyond the edge is no part of the photo.
        inside = (corners + PNET.size <= sizes[of[tile]]).all(1)
        boxes, scores = [], []
        for level, size in enumerate(sizes):
            here = inside & (of[tile] == level)
            kept, score = _distinct(cells[here], sure[tile, row, column, 1][here], overlap=0.5)
            boxes.append(kept * np.tile(photo.size / size, 2))
            scores.append(score)
        kept, _ = _distinct(np.concatenate(boxes), np.concatenate(scores), overlap=0.7)
        return _squares(kept)


def _levels(photo: Image.Image) -> Iterator[Image.Image]:
    """The photo in sizes at which faces, from the smallest to be found, are as large as what the network looks at."""
    shorter = min(photo.size)
    scale = PNET.size / max(SMALLEST, shorter * SMALLEST_SHARE)
    while shorter * scale >= PNET.size:
        width, height = (max(PNET.size, int(side * scale)) for side in photo.size)
        yield photo.resize((width, height), Image.Resampling.BOX)
        scale *= _STEP


def _tiles(levels: list[Image.Image]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures in tiles of one size, whose places do not overlap.

    Returns:
        The tiles, uint8 (count, …), the upper left corner of each, (count, 2), and which picture it is of.
    """
    placed = [
        (number, x, y)
        for number, level in enumerate(levels)
        for y in range(0, level.height - PNET.size + 1, _STRIDE * _PLACES)
        for x in range(0, level.width - PNET.size + 1, _STRIDE * _PLACES)
    ]
    tiles = [np.asarray(levels[number].crop((x, y, x + _TILE, y + _TILE))) for number, x, y in placed]
    numbers = np.array(placed)
    return np.stack(tiles), numbers[:, 1:], numbers[:, 0]


def _points(places: np.ndarray) -> np.ndarray:
    """The landmarks (count, 5, 2) that a network answers in parts of the box, every x before every y."""
    return places.reshape(-1, 2, 5).transpose(0, 2, 1).astype(np.float64)


def _patches(photo: Image.Image, boxes: np.ndarray, network: Network) -> np.ndarray:
    """What is in each box, in the size that the network looks at; grey where it is beyond the photo."""
    patches = np.empty((len(boxes), network.size, network.size, 3), np.uint8)
    for patch, box in zip(patches, boxes, strict=True):
        left, upper = np.floor(box[:2]).astype(int)
        right, lower = np.ceil(box[2:]).astype(int)
        around = Image.new("RGB", (right - left, lower - upper), _GREY)
        inside = (max(left, 0), max(upper, 0), min(right, photo.width), min(lower, photo.height))
        if inside[0] < inside[2] and inside[1] < inside[3]:
            around.paste(photo.crop(inside), (inside[0] - left, inside[1] - upper))
        within = tuple(box - (left, upper, left, upper))
        patch[:] = np.asarray(around.resize((network.size, network.size), Image.Resampling.BILINEAR, within))
    return patches


def _moved(boxes: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The boxes, each edge moved by what a network answers, in parts of the box."""
    return boxes + answers * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _squares(boxes: np.ndarray) -> np.ndarray:
    """The boxes, their shorter sides as long as the longer."""
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    return np.concatenate([centres - sides / 2, centres + sides / 2], 1)


def _distinct(
    boxes: np.ndarray,
    scores: np.ndarray,
    *more: np.ndarray,
    overlap: float,
    above: float = 0.0,
    of_smaller: bool = False,
) -> list[np.ndarray]:
    """Boxes, scores and what else belongs to them, the surest first, without those that a surer one overlaps too far.

    Args:
        overlap: the common area, as a share of both together or `of_smaller` of them, that is too far.
        above: scores up to this are left out as well, and so is a box that has no area.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    rest = np.argsort(-scores, kind="stable")
    rest = rest[(scores[rest] > above) & (sizes[rest] > 1).all(1)]
    areas, kept = sizes.prod(1), []
    while len(rest):
        first, rest = rest[0], rest[1:]
        kept.append(first)
        common = np.minimum(boxes[first, 2:], boxes[rest, 2:]) - np.maximum(boxes[first, :2], boxes[rest, :2])
        shared = np.maximum(common, 0).prod(1)
        whole = np.minimum(areas[first], areas[rest]) if of_smaller else areas[first] + areas[rest] - shared
        rest = rest[shared <= overlap * whole]
    return [array[kept] for array in (boxes, scores, *more)]
