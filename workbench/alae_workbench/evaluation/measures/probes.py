"""Probes of a representation: the accuracy of simple classifiers on it."""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from alae_core import AlaeError
from alae_core.images import to_float
from alae_workbench.data.labels import describe_labels, is_labelled
from alae_workbench.data.source import Source
from alae_workbench.evaluation.registry import UnmeasurableError
from alae_workbench.evaluation.subject import Subject

# Larger images are compared at the smallest size of at least this many pixels per side.
_SIDE = 32
Classifier = Literal["nn", "svm"]
Representation = Literal["w", "long", "pixels", "pca"]


def probe(subject: Subject, classifier: Classifier, representation: Representation, known: int | None = None) -> float:
    """Return the accuracy on held-out images of a classifier fitted to training images (the paper's section 5.1).

    Args:
        subject: its images need one class each; its limit applies to held-out images.
        classifier: "nn", the nearest neighbour by Euclidean distance; or "svm", scikit-learn's LinearSVC: one class
            against the rest, squared hinge loss solved in the primal, C = 1, on features of mean 0 and variance 1.
        representation: "w", E(x); "long", the widest hidden layer of E; "pixels"; or "pca", as many principal
            components of pixels as w has dimensions. Square images are halved while at least 32 pixels per side
            remain, because pixels of 10,000 larger images do not fit in memory.
        known: number of training images, the first ones; default all.

    Raises UnmeasurableError if images have no class, several attributes, or all the same class; if the model is given
    the class; or for "long" if E has no hidden layer.
    """
    known_classes, held_out_classes = _require_classes(subject)
    try:
        train, held_out = _represent(subject, representation, known)
    except AlaeError as error:
        raise UnmeasurableError(str(error)) from error
    model = _nearest_neighbour() if classifier == "nn" else _linear_svm()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train, known_classes[: len(train)])
    return float(model.score(held_out, held_out_classes[: len(held_out)]))


def _represent(subject: Subject, representation: Representation, known: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of training images and of held-out images."""
    model, view = subject.model, subject.view

    def rows(represent: Callable[[np.ndarray], np.ndarray], size: int | None) -> tuple[np.ndarray, np.ndarray]:
        train, held_out = min(known or len(subject.train), len(subject.train)), subject.count(len(subject.held_out))
        return (
            _read_rows(subject, subject.train, represent, size, train),
            _read_rows(subject, subject.held_out, represent, size, held_out),
        )

    size = view.size if view else None
    match representation:
        case "w":
            return rows(lambda images: model.encode(model.as_seen(images, view), view), size)
        case "long":
            return rows(lambda images: model.hidden(model.as_seen(images, view), view), size)
    train, held_out = rows(_flatten_pixels, _choose_pixels_size(subject.train))
    if representation == "pixels":
        return train, held_out
    pca = PCA(min(model.config.networks.w, *train.shape), svd_solver="covariance_eigh").fit(train)
    return pca.transform(train), pca.transform(held_out)


def _nearest_neighbour() -> KNeighborsClassifier:
    return KNeighborsClassifier(n_neighbors=1, algorithm="brute")


def _linear_svm() -> Pipeline:
    return make_pipeline(StandardScaler(), LinearSVC(dual=False, C=1.0, random_state=0))


def _require_classes(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of training and of held-out images. Raises UnmeasurableError."""
    train, held_out = subject.train.labels, subject.held_out.labels
    if train is None or held_out is None:
        reason = describe_labels(subject.train if train is None else subject.held_out).removeprefix("none")
        raise UnmeasurableError(
            f"the images have no labels{reason}: give class folders, a .csv file beside the images, or an .npz file "
            f"with labels"
        )
    missing = np.count_nonzero(~is_labelled(train)) + np.count_nonzero(~is_labelled(held_out))
    if missing:
        raise UnmeasurableError(f"{missing:,} images have no label")
    if train.ndim > 1 or held_out.ndim > 1:
        raise UnmeasurableError("the images have several attributes each, but one class is needed")
    if subject.model.config.classes_of("E"):
        raise UnmeasurableError("E is given each image's class, so its codes contain the answer")
    if len(np.unique(train)) < 2:
        raise UnmeasurableError(f"every training image is of one class, {train[0]}; at least two are needed")
    return train, held_out


def _flatten_pixels(images: np.ndarray) -> np.ndarray:
    return (to_float(images) if images.dtype == np.uint8 else images).reshape(len(images), -1)


def _choose_pixels_size(source: Source) -> int | None:
    height, width, _ = source.shape
    size = height
    while height == width and size % 2 == 0 and size // 2 >= _SIDE:
        size //= 2
    return None if size == height else size


def _read_rows(
    subject: Subject, source: Source, represent: Callable[[np.ndarray], np.ndarray], size: int | None, count: int
) -> np.ndarray:
    batches = (np.arange(part.start, part.stop) for part in subject.model.chunks(count))
    return np.concatenate([represent(source.images(indices, size)) for indices in batches])
