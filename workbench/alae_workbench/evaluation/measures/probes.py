"""How much of what tells classes apart a representation keeps: nearest neighbours and linear machines on it."""

import warnings
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from alae_core import Alae, AlaeError, View
from alae_core.images import to_float
from alae_workbench.data.source import DataSet, Source
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.registry import Better, UnmeasurableError, measure, measures

#: training images that serve as neighbours at the end of a run: the first ones, the same for every representation
NEIGHBOURS = 10_000
# Pixels a side at which raw pixels are compared, where images are larger.
_SIDE = 32
Probe = Literal["nn", "svm"]
#: representations that are probed, by what the names of measures end in
REPRESENTATIONS = {
    "w": "E(x)",
    "long": "the widest hidden layer of E",
    "pixels": "raw pixels",
    "pca": "as many principal components of pixels as w has numbers",
}


@measure("1-nearest-neighbour accuracy on E(x), held-out images", networks="E", when="end", better="higher")
def nearest_neighbour_w(alae: Alae, data: DataSet, view: View | None = None, most: int | None = None) -> float:
    """The share of held-out images whose nearest of 10,000 training images, by E(x) (Euclidean), has their class.

    Raises UnmeasurableError where there are no classes, or E is told them: the answer would be in the question.
    """
    return probe("nn", "w", alae, data, view, most, NEIGHBOURS)


@measure("the same on raw pixels", networks="E", when="end", better="")
def nearest_neighbour_pixels(alae: Alae, data: DataSet, view: View | None = None, most: int | None = None) -> float:
    """The same by the images themselves: what E is to be held against.

    At their own size, but square ones at half of it as often as that leaves 32 pixels a side or more: of 10,000 larger
    ones not even the neighbours fit into memory.
    """
    return probe("nn", "pixels", alae, data, view, most, NEIGHBOURS)


def probe(
    kind: Probe,
    representation: str,
    alae: Alae,
    data: DataSet,
    view: View | None = None,
    most: int | None = None,
    known: int | None = None,
) -> float:
    """The paper's MNIST protocol (its section 5.1): all training images, and the share of held-out ones told right.

    Args:
        kind: nn, the nearest neighbour (Euclidean); svm, scikit-learn's LinearSVC (liblinear): one class against the
            rest, squared hinge loss solved in the primal, C = 1, on features of mean 0 and variance 1.
        representation: one of `REPRESENTATIONS`.
        alae, data, view: the model, labelled images, and where it is looked at.
        most: how many held-out images at the most.
        known: how many training images at the most, the first ones.

    Raises UnmeasurableError as `nearest_neighbour_w` does, and where E has no hidden layer to be long features.
    """
    classes, right = _classes(alae, data)
    try:
        train, asked = _represented(representation, alae, data, view or alae.view, most, known)
    except AlaeError as error:
        raise UnmeasurableError(str(error)) from error
    classifier = _neighbours() if kind == "nn" else _machine()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(train, classes[: len(train)])
    return float(classifier.score(asked, right[: len(asked)]))


def _represented(
    representation: str, alae: Alae, data: DataSet, view: View | None, most: int | None, known: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of training images, and of held-out ones."""

    def rows(represent: Callable[[np.ndarray], np.ndarray], size: int | None) -> tuple[np.ndarray, np.ndarray]:
        train, asked = (min(n or len(s), len(s)) for n, s in ((known, data.train), (most, data.held_out)))
        return _rows(alae, data.train, represent, size, train), _rows(alae, data.held_out, represent, size, asked)

    size = view.size if view else None
    match representation:
        case "w":
            return rows(lambda images: alae.encode(alae.as_seen(images, view), view), size)
        case "long":
            return rows(lambda images: alae.hidden(alae.as_seen(images, view), view), size)
    train, asked = rows(_pixels, _pixels_size(data))
    if representation == "pixels":
        return train, asked
    pca = PCA(min(alae.config.networks.w, *train.shape), svd_solver="covariance_eigh").fit(train)
    return pca.transform(train), pca.transform(asked)


def _enter(kind: Probe, label: str, name: str, what: str) -> None:
    better: Better = "" if name in ("pixels", "pca") else "higher"

    @measures({f"{kind}_{name}": (f"{label} on {what}, all training images", better)}, networks="E")
    def of_one(alae: Alae, data: DataSet, view: View | None, most: int | None, keep: Keep) -> Mapping[str, float]:
        return {f"{kind}_{name}": probe(kind, name, alae, data, view, most)}


for _name, _what in REPRESENTATIONS.items():
    _enter("nn", "1-nearest-neighbour accuracy", _name, _what)
    _enter("svm", "linear SVM accuracy", _name, _what)


def _neighbours() -> KNeighborsClassifier:
    return KNeighborsClassifier(n_neighbors=1, algorithm="brute")


def _machine() -> Pipeline:
    return make_pipeline(StandardScaler(), LinearSVC(dual=False, C=1.0, random_state=0))


def _classes(alae: Alae, data: DataSet) -> tuple[np.ndarray, np.ndarray]:
    """The class of every training and every held-out image. Raises UnmeasurableError."""
    known, asked = data.train.labels, data.held_out.labels
    if known is None or asked is None:
        raise UnmeasurableError("the images have no labels: class folders, a table or an .npz with y give them some")
    if known.ndim > 1 or asked.ndim > 1:
        raise UnmeasurableError("the images have several attributes each, and it takes one class")
    if alae.config.labels:
        raise UnmeasurableError("E is told each image's class, so the answer would be in the question")
    if len(np.unique(known)) < 2:
        raise UnmeasurableError(f"every training image is of one class, {known[0]}, so there is nothing to tell apart")
    return known, asked


def _pixels(images: np.ndarray) -> np.ndarray:
    return (to_float(images) if images.dtype == np.uint8 else images).reshape(len(images), -1)


def _pixels_size(data: DataSet) -> int | None:
    height, width, _ = data.train.shape
    size = height
    while height == width and size % 2 == 0 and size // 2 >= _SIDE:
        size //= 2
    return None if size == height else size


def _rows(
    alae: Alae, source: Source, represent: Callable[[np.ndarray], np.ndarray], size: int | None, count: int
) -> np.ndarray:
    parts = (np.arange(part.start, part.stop) for part in alae.chunks(count))
    return np.concatenate([represent(source.images(indices, size)) for indices in parts])
