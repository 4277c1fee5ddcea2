"""A table of labels: a .csv beside picture files, with a row for each image."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

import numpy as np

from alae_core._support.files import open_regular
from alae_core._support.text import short_repr
from alae_workbench.data.labels import as_labels, number_texts
from alae_workbench.data.source import DataError

# Maximum bytes of a table: enough for CelebA's forty attributes for 3 million images.
_MOST_BYTES = 2**28
# Maximum number of different texts in a column of attributes.
_MOST_TEXTS = 100
# Titles of the column that names the images; without one of them it is the first column.
_NAME_TITLES = ("file", "filename", "file_name", "image", "image_id", "image_name", "img", "path", "filepath", "name")
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,2})?", re.IGNORECASE)
# How a row may name an image: by path or by file name, with or without the ending, in this order of preference.
_WAYS_TO_NAME: tuple[Callable[[PurePath], str], ...] = (
    PurePath.as_posix,
    lambda place: place.with_suffix("").as_posix(),
    lambda place: place.name,
    lambda place: place.stem,
)


def read_label_table(path: Path, places: Sequence[PurePath]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Read the labels of images, and the names of classes or attributes, from a .csv with a header.

    The column titled file, filename, image, image_id, path or similar, or else the first column, contains the name of
    each image: its path within the folder, or its file name if that is unique, with or without the ending. Rows for
    other images are skipped, because a folder may hold part of a data set. A single further column holds classes:
    integers are used unchanged, other texts are numbered alphabetically. Several further columns hold attributes: a
    column of numbers is one attribute; a column of texts is one attribute `title-text`, 0 or 1, for each of its texts,
    or for the alphabetically second of two texts.

    Args:
        path: the table, in UTF-8, separated by commas.
        places: the images' paths relative to the table's folder.

    Raises:
        DataError: the table cannot be read, an image has no row, or more than one, a value is missing, or one of
            several columns mixes numbers and texts, or has more than 100 different texts.
    """
    try:
        with open_regular(path) as file:
            if file.seek(0, 2) > _MOST_BYTES:
                raise ValueError(f"it has {file.tell():,} bytes; a table may have at most {_MOST_BYTES:,}")
            file.seek(0)
            lines = (line.decode("utf-8" if number else "utf-8-sig") for number, line in enumerate(file))
            return _parse(csv.reader(lines), places)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read as a table: it is not in UTF-8") from error
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a table: {reason}") from error


def _parse(rows: Iterator[list[str]], places: Sequence[PurePath]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    header = [_join_words(title) for title in next(rows, [])]
    lower = [title.lower() for title in header]
    name_column = next((lower.index(title) for title in _NAME_TITLES if title in lower), 0)
    titles = header[:name_column] + header[name_column + 1 :]
    if not titles:
        raise ValueError("it needs a column of names and a column of labels, separated by commas")
    index_of = _index_names(places)
    if header[name_column] in index_of:
        raise ValueError(
            f"its first row names an image, {short_repr(header[name_column])}: add a header row such as file,label"
        )
    values: list[list[str] | None] = [None] * len(places)
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} values, but the header has {len(header)}")
        index = index_of.get(row[name_column].strip().replace("\\", "/").removeprefix("./"))
        if index is None:
            continue
        if values[index] is not None:
            raise ValueError(f"row {number} names {short_repr(places[index].as_posix())} again")
        values[index] = cells = [_join_words(cell) for cell in row[:name_column] + row[name_column + 1 :]]
        if "" in cells:
            raise ValueError(f"row {number} has no value for {short_repr(titles[cells.index('')])}")
    missing = [place.as_posix() for place, row in zip(places, values, strict=True) if row is None]
    if missing:
        raise ValueError(
            f"{len(missing):,} of {len(places):,} images have no row, the first is {short_repr(missing[0])}: add the "
            f"rows, or move the table out of the folder"
        )
    complete = [row for row in values if row is not None]
    return _to_classes(complete) if len(titles) == 1 else _to_attributes(complete, titles)


def _to_classes(rows: list[list[str]]) -> tuple[np.ndarray, tuple[str, ...]]:
    texts = [text for (text,) in rows]
    if all(map(_INTEGER.fullmatch, texts)):
        return as_labels(np.array([int(float(text)) for text in texts])), ()
    return number_texts(texts)


def _to_attributes(rows: list[list[str]], titles: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    columns = zip(titles, zip(*rows, strict=True), strict=True)
    attributes = [attribute for title, texts in columns for attribute in _read_column(title, texts)]
    return as_labels(np.stack([values for _, values in attributes], axis=1)), tuple(name for name, _ in attributes)


def _read_column(title: str, texts: tuple[str, ...]) -> list[tuple[str, np.ndarray]]:
    """Return the names and values of a column's attributes; values are float64 (count,)."""
    others = [text for text in texts if not _NUMBER.fullmatch(text)]
    if not others:
        return [(title, np.array(texts, np.float64))]
    if len(others) < len(texts):
        raise ValueError(
            f"{short_repr(title)} has the value {short_repr(others[0])}, which is not a number: attributes must be "
            f"numbers, or none of a column's values may be one"
        )
    numbers, names = number_texts(texts)
    if len(names) > _MOST_TEXTS:
        raise ValueError(
            f"{short_repr(title)} has {len(names):,} different texts, but an attribute may have at most {_MOST_TEXTS}: "
            f"remove the column"
        )
    first = 1 if len(names) == 2 else 0
    return [(f"{title}-{names[i]}", (numbers == i).astype(np.float64)) for i in range(first, len(names))]


def _join_words(text: str) -> str:
    return " ".join(text.split())


def _index_names(places: Sequence[PurePath]) -> dict[str, int]:
    """Map each way to name an image to its index; a name that several images share is left out."""
    index_of: dict[str, int] = {}
    for name_of in _WAYS_TO_NAME:
        names = [name_of(place) for place in places]
        counts = Counter(names)
        for index, name in enumerate(names):
            if counts[name] == 1:
                index_of.setdefault(name, index)
    return index_of
