"""Detection of faces and their landmarks (eyes, nose, mouth): a cascade of three networks.

The first network scans the photo at many scales. The second and the third check its proposals at higher resolution, and
the third also locates the landmarks. Thresholds are those of the package mtcnn.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from alae_workbench.faces.align import crop_square, make_square, right_vector
from alae_workbench.faces.mtcnn import ONET, PNET, RNET, Network, load_network

# The smallest face that is searched for: 20 pixels, or 1/50 of the shorter side of a large photo.
_SMALLEST, _SMALLEST_FRACTION = 20, 1 / 50
_SCALE_STEP = 0.709  # between one size of the photo and the next
# The first network evaluates a square every 2 pixels. A tile has 64 × 64 of these squares.
_STRIDE, _SQUARES = 2, 64
_TILE = _STRIDE * (_SQUARES - 1) + PNET.size
_UPRIGHT = 0.985  # cosine of 10°: the landmarks of faces rotated by more are located again
_GREY = (128, 128, 128)


class Face(NamedTuple):
    """A face in a photo. Coordinates are in pixels; (0, 0) is the upper left corner of the upper left pixel.

    Attributes:
        box: left, upper, right and lower edge, float64 (4,).
        score: confidence, 0 … 1.
        landmarks: x and y of left eye, right eye, nose, left and right corner of the mouth as seen in the photo,
            float64 (5, 2).
    """

    box: np.ndarray
    score: float
    landmarks: np.ndarray

    @property
    def side(self) -> float:
        """The longer side of the box in pixels."""
        return float(max(self.box[2:] - self.box[:2]))


class Detector:
    """Detects faces with the framework in use.

    Raises CheckpointError if the weights of the networks are not installed, as `mtcnn_weights.load_weights`.
    """

    def __init__(self) -> None:
        self._propose, self._refine, self._locate = map(load_network, (PNET, RNET, ONET))

    def find_faces(self, photo: Image.Image) -> list[Face]:
        """Find the faces in an upright RGB photo, sorted from largest to smallest."""
        boxes = self._propose_boxes(photo)
        if len(boxes):
            offsets, scores = self._refine(_crop_boxes(photo, boxes, RNET))
            boxes, *_ = _suppress_overlaps(_shift_edges(boxes, offsets), scores[:, 1], min_score=0.7, overlap=0.7)
            boxes = _make_square(boxes)
        if not len(boxes):
            return []
        offsets, positions, scores = self._locate(_crop_boxes(photo, boxes, ONET))
        landmarks = boxes[:, None, :2] + _to_points(positions) * (boxes[:, 2:] - boxes[:, :2])[:, None]
        boxes, scores, landmarks = _suppress_overlaps(
            _shift_edges(boxes, offsets), scores[:, 1], landmarks, min_score=0.8, overlap=0.7, of_smaller=True
        )
        faces = [Face(box, float(score), points) for box, score, points in zip(boxes, scores, landmarks, strict=True)]
        # Drop faces detected in the grey border that is added around the photo.
        faces = [face for face in faces if ((face.landmarks > 0) & (face.landmarks < photo.size)).all(1).any()]
        return [self._relocate(photo, face) for face in sorted(faces, key=lambda face: -face.side)]

    def _relocate(self, photo: Image.Image, face: Face) -> Face:
        """Locate the landmarks of a rotated face again in an upright crop, where the network is more accurate."""
        right = right_vector(face.landmarks)
        if right[0] > _UPRIGHT:
            return face
        corners = make_square((face.box[:2] + face.box[2:]) / 2, face.side / 2, right)
        _, positions, _ = self._locate(np.asarray(crop_square(photo, corners, ONET.size))[None])
        x, y = corners[3] - corners[0], corners[1] - corners[0]
        return face._replace(landmarks=corners[0] + _to_points(positions)[0] @ np.stack([x, y]))

    def _propose_boxes(self, photo: Image.Image) -> np.ndarray:
        """Find squares that may contain a face, (count, 4)."""
        levels = list(_resize_to_levels(photo))
        if not levels:
            return np.empty((0, 4))
        tiles, origins, level_of_tile = _cut_tiles(levels)
        offsets, probabilities = self._propose(tiles)
        sizes = np.array([level.size for level in levels])
        tile, row, column = np.nonzero(probabilities[..., 1] > 0.6)
        corners = origins[tile] + _STRIDE * np.stack([column, row], 1)
        squares = np.concatenate([corners, corners + PNET.size], 1)
        candidates = _shift_edges(squares, offsets[tile, row, column])
        # Tiles may reach beyond the edge of the photo.
        inside = (corners + PNET.size <= sizes[level_of_tile[tile]]).all(1)
        boxes, scores = [], []
        for level, size in enumerate(sizes):
            here = inside & (level_of_tile[tile] == level)
            box, score = _suppress_overlaps(candidates[here], probabilities[tile, row, column, 1][here], overlap=0.5)
            boxes.append(box * np.tile(photo.size / size, 2))
            scores.append(score)
        box, _ = _suppress_overlaps(np.concatenate(boxes), np.concatenate(scores), overlap=0.7)
        return _make_square(box)


def _resize_to_levels(photo: Image.Image) -> Iterator[Image.Image]:
    """Resize the photo so that faces of each size, from the smallest, fill the input of the first network once."""
    shorter = min(photo.size)
    scale = PNET.size / max(_SMALLEST, shorter * _SMALLEST_FRACTION)
    while shorter * scale >= PNET.size:
        width, height = (max(PNET.size, int(side * scale)) for side in photo.size)
        yield photo.resize((width, height), Image.Resampling.BOX)
        scale *= _SCALE_STEP


def _cut_tiles(levels: list[Image.Image]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut pictures into tiles of one size, so that each square the network evaluates is in exactly one tile.

    Returns:
        The tiles, uint8 (count, …), the upper left corner of each, (count, 2), and the index of its picture, (count,).
    """
    positions = [
        (number, x, y)
        for number, level in enumerate(levels)
        for y in range(0, level.height - PNET.size + 1, _STRIDE * _SQUARES)
        for x in range(0, level.width - PNET.size + 1, _STRIDE * _SQUARES)
    ]
    tiles = [np.asarray(levels[number].crop((x, y, x + _TILE, y + _TILE))) for number, x, y in positions]
    numbers = np.array(positions)
    return np.stack(tiles), numbers[:, 1:], numbers[:, 0]


def _to_points(positions: np.ndarray) -> np.ndarray:
    """Return landmarks (count, 5, 2), as fractions of the box, from an output (count, 10): all x, then all y."""
    return positions.reshape(-1, 2, 5).transpose(0, 2, 1).astype(np.float64)


def _crop_boxes(photo: Image.Image, boxes: np.ndarray, network: Network) -> np.ndarray:
    """Crop each box to the input size of `network`, uint8 (count, size, size, 3); grey beyond the photo."""
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


def _shift_edges(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move each edge of the boxes by a network's output (count, 4), as fractions of the box."""
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _make_square(boxes: np.ndarray) -> np.ndarray:
    """Extend the shorter sides of the boxes to the longer ones."""
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True)
    return np.concatenate([centres - sides / 2, centres + sides / 2], 1)


def _suppress_overlaps(
    boxes: np.ndarray,
    scores: np.ndarray,
    *more: np.ndarray,
    overlap: float,
    min_score: float = 0.0,
    of_smaller: bool = False,
) -> list[np.ndarray]:
    """Drop boxes that overlap one with a higher score (non-maximum suppression), and boxes without area.

    Args:
        boxes, scores: (count, 4) and (count,).
        more: other arrays of `count` rows.
        overlap: the maximum common area, as a fraction of the union of two boxes.
        min_score: boxes with this score or a lower one are dropped.
        of_smaller: take the fraction of the smaller box instead.

    Returns:
        The rest of `boxes`, `scores` and `more`, sorted by decreasing score.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    rest = np.argsort(-scores, kind="stable")
    rest = rest[(scores[rest] > min_score) & (sizes[rest] > 1).all(1)]
    areas, chosen = sizes.prod(1), []
    while len(rest):
        first, rest = rest[0], rest[1:]
        chosen.append(first)
        sides = np.minimum(boxes[first, 2:], boxes[rest, 2:]) - np.maximum(boxes[first, :2], boxes[rest, :2])
        shared = np.maximum(sides, 0).prod(1)
        whole = np.minimum(areas[first], areas[rest]) if of_smaller else areas[first] + areas[rest] - shared
        rest = rest[shared <= overlap * whole]
    return [array[chosen] for array in (boxes, scores, *more)]
