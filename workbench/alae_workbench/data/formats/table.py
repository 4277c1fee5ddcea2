"""A table of labels beside image files: a .csv whose rows name the images, and what each is or has."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import numpy as np

from alae_core._support.files import open_regular
from alae_core._support.text import short_repr
from alae_workbench.data.collection import numbered
from alae_workbench.data.source import DataError, as_labels

# Bytes of a table: millions of images with a few labels, or CelebA's forty for each of hundreds of thousands.
_MOST_BYTES = 2**28
# What the column that names the images may be called; else it is the first.
_NAMING = ("file", "filename", "file_name", "image", "image_id", "image_name", "img", "path", "filepath", "name")
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,2})?", re.IGNORECASE)


def labels_in_table(path: Path, places: Sequence[PurePath]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels of images and what classes or attributes are called, from a .csv with a header.

    The column headed file, filename, image, image_id, path or the like, else the first, names each image: by its path
    within the folder, or where only one has it by its file name, either with or without its ending. Rows for other
    images are passed over: a folder may hold a part of a data set. One column besides is classes: whole numbers as they
    are, anything else as text, numbered by its order. Several columns are attributes, and must be numbers.

    Args:
        path: the table, UTF-8, separated by commas.
        places: the images, relative to the table's folder.

    Raises:
        DataError: it cannot be read, an image has no row or two, or a value is missing or no number where all must be.
    """
    try:
        with open_regular(path) as file:
            if file.seek(0, 2) > _MOST_BYTES:
                raise ValueError(f"it has {file.tell():,} bytes, and tables at the most {_MOST_BYTES:,}")
            file.seek(0)
            lines = (line.decode("utf-8" if number else "utf-8-sig") for number, line in enumerate(file))
            return _labels(csv.reader(lines), places)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read as a table: it is not in UTF-8") from error
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a table: {reason}") from error


def _labels(rows: Iterator[list[str]], places: Sequence[PurePath]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    header = [_line(title) for title in next(rows, [])]
    lowered = [title.lower() for title in header]
    naming = next((lowered.index(title) for title in _NAMING if title in lowered), 0)
    titles = header[:naming] + header[naming + 1 :]
    if not titles:
        raise ValueError("it needs a column of names and one of labels, separated by commas")
    where = _where(places)
    if header[naming] in where:
        raise ValueError(
            f"its first row names an image, {short_repr(header[naming])}: put a header above it, such as file,label"
        )
    found: list[list[str] | None] = [None] * len(places)
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} values, and the header {len(header)}")
        index = where.get(row[naming].strip().replace("\\", "/").removeprefix("./"))
        if index is None:
            continue
        if found[index] is not None:
            raise ValueError(f"row {number} names {short_repr(places[index].as_posix())} again")
        found[index] = values = [_line(value) for value in row[:naming] + row[naming + 1 :]]
        if "" in values:
            raise ValueError(f"row {number} has no value for {short_repr(titles[values.index('')])}")
    missing = [place.as_posix() for place, row in zip(places, found, strict=True) if row is None]
    if missing:
        raise ValueError(
            f"{len(missing):,} of {len(places):,} images have no row, the first {short_repr(missing[0])}: add them, or "
            f"move the table away"
        )
    whole = [row for row in found if row is not None]
    return _classes(whole) if len(titles) == 1 else (_attributes(whole, titles), tuple(titles))


def _classes(rows: list[list[str]]) -> tuple[np.ndarray, tuple[str, ...]]:
    texts = [text for (text,) in rows]
    if all(map(_WHOLE.fullmatch, texts)):
        return as_labels(np.array([int(float(text)) for text in texts])), ()
    return numbered(texts)


def _attributes(rows: list[list[str]], titles: list[str]) -> np.ndarray:
    for row in rows:
        for text, title in zip(row, titles, strict=True):
            if not _NUMBER.fullmatch(text):
                raise ValueError(
                    f"{short_repr(title)} has {short_repr(text)}, which is no number: attributes are numbers; a column "
                    f"of texts is classes only where it stands alone"
                )
    return as_labels(np.array(rows, np.float64))


def _line(text: str) -> str:
    return " ".join(text.split())


def _where(places: Sequence[PurePath]) -> dict[str, int]:
    """Which image a name means: a whole path before a mere file name, and that only where one image has it."""
    found: dict[str, int] = {}
    for called in (
        PurePath.as_posix,
        lambda place: place.with_suffix("").as_posix(),
        lambda place: place.name,
        lambda place: place.stem,
    ):
        names = [called(place) for place in places]
        counts = Counter(names)
        for index, name in enumerate(names):
            if counts[name] == 1:
                found.setdefault(name, index)
    return found
