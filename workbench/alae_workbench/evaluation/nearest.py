"""Nearest-neighbour classification: how much of what tells the classes apart a representation keeps."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from alae_core import Alae
from alae_workbench.data.images import DataSet, Images

#: training images that serve as neighbours at the most: the first ones, the same for every representation
NEIGHBOURS = 10_000


def nearest_neighbour_accuracies(alae: Alae, data: DataSet, lod: int | None = None) -> dict[str, float] | None:
    """The share of held-out images whose nearest training image (Euclidean) has their class.

    Returns:
        {"w": by E(x), at level `lod` of style networks, "pixels": by the images themselves}, over the same neighbours;
        None where there are no classes, or where E is told the label and the answer would be in the question.
    """
    if data.train.labels is None or data.held_out.labels is None or alae.config.labels:
        return None
    train, test = data.train[:NEIGHBOURS], data.held_out
    return {
        "w": _accuracy(_codes(alae, train, lod), train, _codes(alae, test, lod), test),
        "pixels": _accuracy(_flat(train), train, _flat(test), test),
    }


def _codes(alae: Alae, images: Images, lod: int | None) -> np.ndarray:
    parts = (alae.at_level(images[part].floats(), lod) for part in alae.chunks(len(images)))
    return np.concatenate([alae.encode(x, lod) for x in parts])


def _flat(images: Images) -> np.ndarray:
    return images.floats().reshape(len(images), -1)


def _accuracy(known: np.ndarray, train: Images, asked: np.ndarray, test: Images) -> float:
    classifier = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(known, train.labels)
    return float(classifier.score(asked, test.labels))
