"""Labels of images: class numbers or attributes, the names of either, and where they were read from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from alae_core.config import Config
from alae_workbench.data.copies import describe_copies
from alae_workbench.data.source import UNLABELLED, DataError, DataSet, Source

#: number of texts, or of numbers without a title, that are classes though all differ
MOST_DISTINCT = 20
# Maximum number of remarks about unused labels that are printed.
_MOST_NOTES = 3


class Labelled(Protocol):
    """Images that may have labels: sources and collections; the attribute `label_text` is not part of the protocol."""

    @property
    def labels(self) -> np.ndarray | None:
        """See `Source.labels`."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of images, and where they were read from. `str` gives "3 classes from dataset.json", or "none".

    Attributes:
        values: class numbers int64 (count,), attributes int64 or float64 (count, k), or None.
        names: the names of classes 0, 1, … or of the attributes; () if unknown.
        origin: the file, folders, array or column that they were read from.
        notes: labels that were found but not used, and why.
    """

    values: np.ndarray | None = None
    names: tuple[str, ...] = ()
    origin: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        notes = [*self.notes[:_MOST_NOTES], *(["…"] if len(self.notes) > _MOST_NOTES else [])]
        remarks = f" ({'; '.join(notes)})" if notes else ""
        if self.values is None:
            return f"none{remarks}"
        return f"{count_labels(self.values)}{f' from {self.origin}' if self.origin else ''}{remarks}"


def count_labels(values: np.ndarray) -> str:
    """Return the number of classes or attributes, and that of images without a label, such as "3 classes"."""
    labelled = is_labelled(values)
    if values.ndim == 2:
        text = f"{values.shape[1]:,} attribute{'s' if values.shape[1] != 1 else ''}"
    else:
        count = len(np.unique(values[labelled]))
        text = f"{count:,} class{'es' if count != 1 else ''}"
    missing = len(values) - int(labelled.sum())
    return f"{text}, {missing:,} of {len(values):,} images without a label," if missing else text


def describe_labels(source: Labelled) -> str:
    """Return the number of classes or attributes of images and where they come from, or "none" and why."""
    return getattr(source, "label_text", "") or str(Labels(source.labels))


def describe_origin(data: DataSet) -> list[str]:
    """Return a line about the labels of the training images, and one each about skipped files and copies, if any."""
    skipped = [data.skipped_files] if data.skipped_files else []
    return [f"labels: {describe_labels(data.train)}", *skipped, *describe_copies(data)]


def is_labelled(values: np.ndarray) -> np.ndarray:
    """Return which images have a label: bool (count,)."""
    return np.isfinite(values).all(1) if values.ndim == 2 else values != UNLABELLED


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
    whole = np.isfinite(labels) & (np.abs(labels) <= 2**53) & (labels == np.rint(labels))
    if whole.all():
        labels = labels.astype(np.int64)
        # CIFAR stores class numbers as a column.
        return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim == 1:
        raise DataError(f"labels must be class numbers, which are integers, but one is {labels[~whole][0]:g}")
    return labels.astype(np.float64)


def merge_one_hot(rows: np.ndarray) -> np.ndarray:
    """Convert one-hot rows to class numbers; return other labels as `as_labels` does."""
    if rows.ndim == 2 and rows.shape[1] > 1 and ((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all():
        rows = rows.argmax(1)
    return as_labels(rows)


def convert_label_array(array: np.ndarray, count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert an array of a file to labels of `count` images, and the names of classes.

    Texts are numbered alphabetically, and one-hot rows in which every class occurs become class numbers.

    Raises DataError as `as_labels` does, or if there are more or fewer labels than images.
    """
    if array.ndim and len(array) != count:
        raise DataError(f"there are {count:,} images, but {len(array):,} labels")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "U" and array.ndim == 1:
        return number_texts([" ".join(text.split()) for text in array.tolist()])
    numeric = array.dtype.kind in "buif"
    return merge_one_hot(array) if numeric and array.ndim == 2 and array.any(0).all() else as_labels(array), ()


def number_texts(texts: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number texts as classes: class numbers (count,), and the distinct texts in alphabetical order."""
    names = sorted(set(texts))
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[text] for text in texts], np.int64), tuple(names)


def number_classes(texts: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number texts as `number_texts` does.

    Raises ValueError if there are more than `MOST_DISTINCT` and all differ, as captions and names do.
    """
    if len(set(texts)) == len(texts) > MOST_DISTINCT:
        raise ValueError("every image has another text")
    return number_texts(texts)


def spread_labels(values: np.ndarray, indices: Sequence[int], count: int) -> np.ndarray:
    """Return labels of `count` images, given those at `indices`; the others have no label."""
    if len(indices) == count:
        return values
    spread = np.full((count, *values.shape[1:]), np.nan) if values.ndim > 1 else np.full(count, UNLABELLED, np.int64)
    spread[list(indices)] = values
    return spread


def select_labels(source: Source, indices: np.ndarray | slice, config: Config) -> np.ndarray | None:
    """Return the labels at `indices`; None for a source or a model without labels."""
    return source.labels[indices] if config.labels and source.labels is not None else None
