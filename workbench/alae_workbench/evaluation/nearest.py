"""Nearest-neighbour classification: how much of what tells the classes apart a representation keeps."""

from collections.abc import Callable

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from alae_core import Alae, View
from alae_core.images import to_float
from alae_workbench.data.source import DataSet, Source
from alae_workbench.evaluation.measures import measure

#: training images that serve as neighbours at the most: the first ones, the same for every representation
NEIGHBOURS = 10_000
# Pixels a side at which raw pixels are compared, where images are larger.
_SIDE = 32


@measure("1-nearest-neighbour accuracy on E(x), held-out images", networks="E", when="end")
def nearest_neighbour_w(alae: Alae, data: DataSet, view: View | None = None, most: int | None = None) -> float | None:
    """The share of held-out images whose nearest training image, by E(x) (Euclidean), has their class.

    None where there are no classes, or where E is told the label and the answer would be in the question.
    """
    view = view or alae.view
    return _accuracy(
        alae, data, lambda images: alae.encode(alae.as_seen(images, view), view), view.size if view else None, most
    )


@measure("the same on raw pixels", networks="E", when="end")
def nearest_neighbour_pixels(
    alae: Alae, data: DataSet, view: View | None = None, most: int | None = None
) -> float | None:
    """The same by the images themselves: what E is to be held against.

    At their own size, but square ones at half of it as often as that leaves 32 pixels a side or more: of 10,000 larger
    ones not even the neighbours fit into memory.
    """
    height, width, _ = data.train.shape
    size = height
    while height == width and size % 2 == 0 and size // 2 >= _SIDE:
        size //= 2

    def pixels(images: np.ndarray) -> np.ndarray:
        return (to_float(images) if images.dtype == np.uint8 else images).reshape(len(images), -1)

    return _accuracy(alae, data, pixels, None if size == height else size, most)


def _accuracy(
    alae: Alae, data: DataSet, represent: Callable[[np.ndarray], np.ndarray], size: int | None, most: int | None
) -> float | None:
    known, asked = data.train.labels, data.held_out.labels
    if known is None or asked is None or known.ndim > 1 or asked.ndim > 1 or alae.config.labels:
        return None

    def rows(source: Source, count: int) -> np.ndarray:
        parts = (np.arange(part.start, part.stop) for part in alae.chunks(count))
        return np.concatenate([represent(source.images(indices, size)) for indices in parts])

    neighbours, count = min(NEIGHBOURS, len(known)), min(most or len(asked), len(asked))
    classifier = KNeighborsClassifier(n_neighbors=1, algorithm="brute")
    classifier.fit(rows(data.train, neighbours), known[:neighbours])
    return float(classifier.score(rows(data.held_out, count), asked[:count]))
