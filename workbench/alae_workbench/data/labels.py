"""Labels of images: class numbers or attributes, and the names of either."""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from alae_core.config import Config
from alae_workbench.data.source import DataError, Source


def as_labels(labels: np.ndarray) -> np.ndarray:
    """Convert labels to class numbers, int64 (count,), or attributes, int64 or float64 (count, k).

    Raises:
        DataError: labels are not numbers, have another shape, or a class number is not an integer.
    """
    if labels.dtype.kind not in "buif" or labels.ndim not in (1, 2):
        raise DataError(
            f"labels must be class numbers of shape (count,) or attributes of shape (count, k), "
            f"but are {labels.dtype} of shape {labels.shape}"
        )
    # CIFAR stores class numbers as a column.
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    whole = np.isfinite(labels) & (np.abs(labels) <= 2**53) & (labels == np.rint(labels))
    if whole.all():
        return labels.astype(np.int64)
    if labels.ndim == 1:
        raise DataError(f"labels must be class numbers, which are integers, but one is {labels[~whole][0]:g}")
    return labels.astype(np.float64)


def merge_one_hot(rows: np.ndarray) -> np.ndarray:
    """Convert one-hot rows to class numbers; return other labels as `as_labels` does."""
    if rows.ndim == 2 and rows.shape[1] > 1 and ((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all():
        rows = rows.argmax(1)
    return as_labels(rows)


def number_texts(texts: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number texts as classes: class numbers (count,), and the distinct texts in alphabetical order."""
    names = sorted(set(texts))
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[text] for text in texts]), tuple(names)


def label_by_folder(places: Sequence[PurePath]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Number images by their top folder, and name the classes; (None, ()) for fewer than two folders.

    If any image lies outside of all folders, no image gets a class.
    """
    folders = [place.parts[0] if len(place.parts) > 1 else None for place in places]
    if None in folders or len(set(folders)) < 2:
        return None, ()
    return number_texts([folder for folder in folders if folder])


def select_labels(source: Source, indices: np.ndarray | slice, config: Config) -> np.ndarray | None:
    """Return the labels at `indices`; None for a source or a model without labels."""
    return source.labels[indices] if config.labels and source.labels is not None else None
