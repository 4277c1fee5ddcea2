"""Columns of texts or numbers beside images, converted to labels: classes, or attributes."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alae_core._support.text import short_repr
from alae_workbench.data.label_matching import Columns
from alae_workbench.data.labels import MOST_DISTINCT, as_labels, merge_one_hot, number_texts

#: titles of columns, and names of arrays, that hold one class for each image, most likely first
CLASS_TITLES = (
    *("label", "labels", "class", "classes", "cls", "target", "targets", "y", "category", "fine_label", "fine_labels"),
    *("class_id", "label_id", "class_label", "class_name", "label_name", "category_id", "digit"),
)
# Maximum number of different texts in a column.
_MOST_TEXTS = 100
# Columns that number the rows, or describe the file, its place in the data set or the position of things in it.
_ROW_NUMBERS = re.compile(r"(unnamed: ?\d+|index|level_0|row|)", re.IGNORECASE)
_ABOUT_FILES = re.compile(
    r"width|height|filesize|file_size|bytes|channels?|md5|sha\d*|hash|url|link|license|split|"
    r"partition|fold|subset|dataset|timestamps?|date(time)?|created|modified|"
    r"([xywh]|[xy][_ -]?(\d|min|max|center|centre))|bbox.*|.*[_ -][xy]",
    re.IGNORECASE,
)
_CAPTIONS = re.compile(r"texts?|captions?|prompts?|descriptions?|titles?|comments?", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,2})?", re.IGNORECASE)

# A list of texts as Python and pandas write it, such as ['Mass', 'Effusion'].
_LIST, _QUOTED = re.compile(r"""\[\s*(['"]).*\1\s*\]"""), re.compile(r"""(['"])(.*?)\1""")


class UnmatchedError(ValueError):
    """No row of a table names an image."""


def require_some_rows(rows: Sequence[list[str] | None], names: Sequence[str], example: str) -> None:
    """Raise UnmatchedError if no image has a row in a table, which names `example`."""
    if not any(row is not None for row in rows):
        raise UnmatchedError(
            f"{len(rows):,} of {len(rows):,} images have no row: it names {short_repr(example)}, but the first image "
            f"is {short_repr(names[0])}"
        )


class ConvertedColumns(NamedTuple):
    """Labels, the names of classes or attributes, and the columns that were not used with reasons."""

    values: np.ndarray
    names: tuple[str, ...]
    unused: tuple[str, ...]


# Texts that pandas and others write for a missing value.
_BLANK = ("", "nan", "<na>", "nat")


def find_class_title(titles: Sequence[str]) -> str | None:
    """Return the most likely title of a column, array or field of classes; None if there is none."""
    lower = {title.lower(): title for title in reversed(titles)}
    return next((lower[likely] for likely in CLASS_TITLES if likely in lower), None)


def convert_columns(columns: Columns, names: Sequence[str], *, chosen: bool = False) -> ConvertedColumns:
    """Convert the columns of a table to labels.

    A single column holds classes: integers are used unchanged, other texts are numbered alphabetically. One-hot columns
    hold classes too. Several other columns hold attributes: a column of numbers is one attribute; a column of texts is
    one attribute `title-text`, 0 or 1, for each of its texts, or for the alphabetically second of two texts. Texts such
    as `Mass|Effusion` list several attributes of an image.

    Columns that number the rows, describe files (width, split, url, bounding boxes, …) or hold captions are not labels,
    unless the user has chosen the table. Columns with missing values, numbers and texts, or too many texts are dropped.

    Args:
        columns: the cells, a row for each image.
        names: the names of the images.
        chosen: whether the user has chosen these columns.

    Raises ValueError if an image has no row, or no column can be used.
    """
    missing = [name for name, row in zip(names, columns.rows, strict=True) if row is None]
    if missing:
        first = short_repr(missing[0])
        raise ValueError(f"{len(missing):,} of {len(names):,} images have no row, the first is {first}")
    titles = dict(enumerate(columns.titles))
    cells = dict(enumerate(zip(*(row for row in columns.rows if row is not None), strict=True)))
    cells = {column: texts for column, texts in cells.items() if not _numbers_rows(titles[column], texts, len(cells))}
    unused = []
    if not chosen:
        about = [column for column in cells if _is_about_files(titles[column], columns.titles)]
        if about:
            unused.append(f"{_list_titles(titles, about)} not taken for labels")
        if len(about) == len(cells):
            raise ValueError("; ".join(unused) or "it has no column of labels")
        cells = {column: texts for column, texts in cells.items() if column not in about}
    alone = len(cells) == 1
    faults = {
        column: _find_fault(titles[column], texts, names, alone=alone, chosen=chosen) for column, texts in cells.items()
    }
    usable = {column: texts for column, texts in cells.items() if not faults[column]}
    unused += filter(None, faults.values())
    if len(usable) == 1 and not alone:
        ((column, texts),) = usable.items()
        fault = _find_fault(titles[column], texts, names, alone=True, chosen=chosen)
        usable, unused = ({}, [fault, *unused]) if fault else (usable, unused)
    if not usable:
        raise ValueError("; ".join(unused[:3]))
    if len(usable) == 1 and not _are_lists(next(iter(usable.values()))):
        return ConvertedColumns(*_to_classes(next(iter(usable.values()))), tuple(unused))
    attributes = [pair for column, texts in usable.items() for pair in _to_attributes(titles[column], texts)]
    values = np.stack([numbers for _, numbers in attributes], axis=1)
    merged = merge_one_hot(values) if len(usable) == len(attributes) and values.any(0).all() else as_labels(values)
    label_names = tuple(name for name, _ in attributes)
    if merged.ndim == 1 and all(name.isdigit() for name in label_names):
        label_names = ()
    return ConvertedColumns(merged, label_names, tuple(unused))


def _numbers_rows(title: str, texts: Sequence[str], count: int) -> bool:
    """Whether one of `count` columns is an index as pandas writes it, or is empty and has no title."""
    if count == 1 or not _ROW_NUMBERS.fullmatch(title):
        return False
    return not any(texts) or (all(map(_INTEGER.fullmatch, texts)) and len(set(texts)) == len(texts) > 1)


def _is_about_files(title: str, titles: Sequence[str]) -> bool:
    if title.lower() == "y":  # a class, or a position
        return "x" in map(str.lower, titles)
    return bool(_ABOUT_FILES.fullmatch(title) or _CAPTIONS.fullmatch(title))


def _find_fault(title: str, cells: Sequence[str], names: Sequence[str], *, alone: bool, chosen: bool) -> str:
    """Return why a column cannot be used; "" if it can."""
    name = short_repr(title) if title else "its column"
    texts = dict.fromkeys(cells)
    # Among the numbers of an attribute, they are texts.
    blanks = _BLANK if alone or not any(map(_NUMBER.fullmatch, texts)) else _BLANK[:1]
    blank = [text.lower() in blanks for text in cells]
    if any(blank):
        first = short_repr(names[blank.index(True)])
        return f"{name} has no value for {sum(blank):,} of {len(cells):,} images, such as {first}"
    are_lists = _are_lists(cells)
    if are_lists:
        texts = dict.fromkeys(part for text in texts for part in _split_list(text))
    likely = chosen or title.lower() in CLASS_TITLES
    if alone and not are_lists:
        # A small number in a table without a header can only be a class, unless it numbers the images, as in CUB-200.
        are_integers = all(map(_INTEGER.fullmatch, texts))
        are_classes = are_integers and (likely or (not title and len(cells) <= MOST_DISTINCT))
        if len(texts) == len(cells) > 1 and not are_classes:
            return f"{name} has another value for every image"
        if len(texts) == 1 and not (are_integers or likely):
            return f"{name} is {short_repr(cells[0])} for every image"
        return ""
    others = [text for text in texts if not _NUMBER.fullmatch(text)]
    if others and len(others) < len(texts):
        return f"{name} has numbers and texts, such as {short_repr(others[0])}"
    if others and len(texts) > _MOST_TEXTS:
        return f"{name} has {len(texts):,} different texts; an attribute may have at most {_MOST_TEXTS}"
    return ""


def _to_classes(texts: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    numbers = {text: int(float(text)) for text in dict.fromkeys(texts) if _INTEGER.fullmatch(text)}
    if all(text in numbers for text in texts):
        return as_labels(np.array([numbers[text] for text in texts])), ()
    return number_texts(texts)


def _to_attributes(title: str, texts: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Return the names and values of a column's attributes; values are float64 (count,)."""
    values = {text: float(text) for text in dict.fromkeys(texts) if _NUMBER.fullmatch(text)}
    if all(text in values for text in texts):
        return [(title, np.array([values[text] for text in texts], np.float64))]
    prefix = f"{title}-" if title else ""
    if _are_lists(texts):
        lists = {text: frozenset(_split_list(text)) for text in dict.fromkeys(texts)}
        parts = sorted(frozenset().union(*lists.values()))
        return [(f"{prefix}{part}", np.array([part in lists[text] for text in texts], np.float64)) for part in parts]
    numbers, names = number_texts(texts)
    first = 1 if len(names) == 2 else 0
    return [(f"{prefix}{names[i]}", (numbers == i).astype(np.float64)) for i in range(first, len(names))]


def _are_lists(texts: Sequence[str]) -> bool:
    """Whether some texts list several attributes, separated by bars, as in NIH's chest X-rays, or as Python does."""
    return any("|" in text or _LIST.fullmatch(text) for text in dict.fromkeys(texts))


def _split_list(text: str) -> list[str]:
    if _LIST.fullmatch(text):
        text = "|".join(match[2] for match in _QUOTED.finditer(text))
    return [part.strip() for part in text.split("|") if part.strip()]


def _list_titles(titles: dict[int, str], columns: Sequence[int]) -> str:
    shown = ", ".join(short_repr(titles[column]) for column in columns[:5])
    return f"{shown} and {len(columns) - 5:,} more" if len(columns) > 5 else shown
