"""Match the rows of a table to images, and convert its columns to labels."""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

from alae_core._support.text import short_repr
from alae_workbench.data.listing import get_base, remove_ending
from alae_workbench.data.picture_formats import ENDINGS

#: titles of the column that names the images, most likely first
NAME_TITLES = (
    *("file", "filename", "file_name", "image", "image_id", "image_name", "img", "path", "filepath", "file_path"),
    *("image_path", "img_path", "name", "id"),
)
# Rows from which the column of names is found.
_SAMPLE = 5_000
# Characters below which equal cells share memory.
_SHORT = 8
_NUMBER_NAME = re.compile(r"0*(\d{1,18})")
# How a row may name an image: by path or by file name, with or without the ending, or by its number without leading
# zeros, which spreadsheets remove; in this order of preference.
_WAYS_TO_NAME: tuple[Callable[[str], str], ...] = (
    lambda path: path,
    remove_ending,
    get_base,
    lambda path: get_base(remove_ending(path)),
    lambda path: _remove_zeros(get_base(remove_ending(path))),
)


class Table(NamedTuple):
    """A table of texts.

    Attributes:
        titles: the titles of the columns; None if there is no header.
        rows: the cells of each row.
        first_number: the number of the first row in messages.
    """

    titles: list[str] | None
    rows: Iterator[Sequence[str]]
    first_number: int


class Columns(NamedTuple):
    """The columns of a table without that of names.

    Attributes:
        titles: their titles; "" if there is no header.
        rows: the cells of each image, or None for an image without a row.
        example: the first name in the table.
    """

    titles: list[str]
    rows: list[list[str] | None]
    example: str = ""


def index_names(names: Sequence[str], folder: str = "") -> dict[str, int]:
    """Map each way to name an image to its index; a name that several images share is left out.

    Names in lower case are included, for tables that spell them in another case (`_find_image`).

    Args:
        names: the images' paths.
        folder: the table's own folder with a final slash, relative to which it may name images.
    """
    index_of: dict[str, int] = {}
    places = list(map(_normalise, names))
    inner = [_normalise(name.removeprefix(folder)) for name in names] if folder else places
    for name_of in _WAYS_TO_NAME:
        for some in (inner, places) if folder else (places,):
            texts = list(map(name_of, some))
            counts = Counter(texts)
            for index, text in enumerate(texts):
                if counts[text] == 1 and text:
                    index_of.setdefault(text, index)
    lower = Counter(text.lower() for text in index_of)
    for text, index in list(index_of.items()):
        if lower[text.lower()] == 1:
            index_of[text.lower()] = index
    return index_of


def match_rows(table: Table, index_of: dict[str, int], count: int) -> Columns:
    """Match the rows of a table to `count` images; rows for other images are skipped.

    If no name in the table fits, its first folders are ignored, because the data may have been moved; and if none fits
    then, its endings, because the images may have been converted.

    Raises ValueError if a row has too many or too few cells, or names an image again; equal rows count once.
    """
    sample = list(islice(table.rows, _SAMPLE))
    titles = table.titles or [""] * max(map(len, sample), default=0)
    if len(titles) < 2:
        raise ValueError("it needs a column of names and a column of labels")
    column, find = _find_name_column(titles, sample, index_of, count)
    values: list[list[str] | None] = [None] * count
    texts: dict[str, str] = {}
    named_by = array("q", bytes(8 * count))
    for number, row in enumerate(chain(sample, table.rows), table.first_number):
        if len(row) == len(titles) + 1 and not row[-1].strip():
            row = row[:-1]
        if len(row) != len(titles):
            raise ValueError(f"row {number} has {len(row)} values, but the header has {len(titles)}")
        index = find(row[column])
        if index is None:
            continue
        # Equal cells share one text, because forty attributes of millions of images have two.
        cells = [texts.get(cell) or _clean_cell(cell, texts) for cell in (*row[:column], *row[column + 1 :])]
        name = hash(row[column])
        if values[index] is not None and (values[index] != cells or name != named_by[index]):
            raise ValueError(f"row {number} names {short_repr(row[column])} again")
        values[index], named_by[index] = cells, name
    example = next((row[column] for row in sample if column < len(row)), "")
    return Columns(titles[:column] + titles[column + 1 :], values, example)


def _clean_cell(cell: str, texts: dict[str, str]) -> str:
    text = " ".join(cell.split())
    return texts.setdefault(cell, text) if len(cell) < _SHORT else text


def _find_name_column(
    titles: Sequence[str], rows: Sequence[Sequence[str]], index_of: dict[str, int], count: int
) -> tuple[int, Callable[[str], int | None]]:
    """Return the column that names the most of `count` images, and a function that finds the image of a cell.

    Titles and endings decide among columns that name equally many, or few: the classes 0 and 1 name two images.
    """
    lower = [title.lower() for title in titles]
    likely = next((lower.index(title) for title in NAME_TITLES if title in lower), None)
    finders: list[Callable[[str], int | None]] = []
    ratings: list[tuple[int, bool, int, int, int]] = []
    for column in range(len(titles)):
        cells = [row[column] for row in rows if column < len(row)]
        for find in (partial(some, index_of) for some in (_find_image, _find_moved_image, _find_converted_image)):
            matches = len({find(cell) for cell in cells} - {None})
            if matches:
                break
        finders.append(find)
        many = matches if 2 * matches >= min(len(cells), count) else 0
        ratings.append((many, column == likely, sum(map(_has_ending, cells)), matches, -column))
    best = ratings.index(max(ratings))
    return best, finders[best]


def _has_ending(cell: str) -> bool:
    return cell.strip().lower().endswith(ENDINGS)


def _find_image(index_of: dict[str, int], cell: str) -> int | None:
    return _look_up(index_of, _clean(cell))


def _find_moved_image(index_of: dict[str, int], cell: str) -> int | None:
    """Return the index of the image that a path names without some of its first folders."""
    name = _clean(cell)
    while name and (index := _look_up(index_of, name)) is None:
        _, _, name = name.partition("/")
    return index if name else None


def _find_converted_image(index_of: dict[str, int], cell: str) -> int | None:
    """Return the index of the image that a path names with another ending."""
    return _find_moved_image(index_of, remove_ending(_clean(cell))) if _has_ending(cell) else None


def _look_up(index_of: dict[str, int], name: str) -> int | None:
    index = index_of.get(name, index_of.get(name.lower()))
    # Spreadsheets and pandas write numbers as 3.0.
    return index_of.get(name[:-2]) if index is None and name.endswith(".0") else index


def _clean(cell: str) -> str:
    return _normalise(cell.strip().replace("\\", "/")).removeprefix("./")


def _normalise(name: str) -> str:
    # macOS writes é as e and an accent.
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _remove_zeros(stem: str) -> str:
    number = _NUMBER_NAME.fullmatch(stem)
    return number[1] if number else ""
