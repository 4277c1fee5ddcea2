"""Tables in text files, separated by commas, semicolons, tabs, bars or spaces."""

import codecs
import csv
import io
import re
from collections.abc import Container, Iterator, Sequence
from itertools import chain, islice

from alae_workbench.data.label_matching import NAME_TITLES, Table
from alae_workbench.data.picture_formats import ENDINGS

#: file name endings of tables in text files
TABLES = (".csv", ".tsv", ".txt")
# Lines from which the separator is found, and the bytes that are decoded at once.
_SAMPLE, _BLOCK = 20, 2**20
_COMMENT = "#"
_SEPARATORS = (",", ";", "\t", "|")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECIMAL_COMMA = re.compile(r"([+-]?\d*),(\d+)")


def parse_text_table(content: bytes, image_names: Container[str] = ()) -> Table:
    """Parse a table: UTF-8, UTF-16 or, if it is not valid UTF-8, Windows-1252; with or without a header.

    Comments before the table, after #, and a line that holds only the number of rows, as in CelebA, are skipped, and a
    header may lack the title of the first column. The first row is not a header if it names an image.

    Args:
        content: the file.
        image_names: names of images, one of which in the first row shows that there is no header.

    Raises ValueError or csv.Error if it is not a table of at least two columns.
    """
    encoding = _find_encoding(content)
    lines = list(islice(_read_lines(content, encoding), _SAMPLE))
    separator = _find_separator(lines)
    rows = _split_rows(_read_lines(content, encoding), separator)
    first = next(rows, [])
    while len(first) == 1 and (first[0].isdigit() or first[0].startswith(_COMMENT)):
        first = next(rows, [])
    second = next(rows, None)
    if second is not None and len(first) == len(second) - 1:
        first = ["", *first]
    if len(first) < 2:
        raise ValueError("it needs a column of names and a column of labels")
    beginning = [] if second is None else [second]
    has_header = any(not cell.strip() or cell.strip().lower() in NAME_TITLES for cell in first)
    if not has_header and any(cell.lower().endswith(ENDINGS) or cell in image_names for cell in first):
        return Table(None, chain([first], beginning, rows), 1)
    return Table([" ".join(title.split()) for title in first], chain(beginning, rows), 2)


def _find_encoding(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    start = content[:200]
    if len(start) >= 4 and start[1::2].count(0) > len(start) // 3:
        return "utf-16-le"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(content), _BLOCK):
            decoder.decode(content[at : at + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _read_lines(content: bytes, encoding: str) -> Iterator[str]:
    return io.TextIOWrapper(io.BytesIO(content), encoding, errors="replace", newline="")


def _split_rows(lines: Iterator[str], separator: str) -> Iterator[list[str]]:
    if separator == " ":
        return (line.split() for line in lines if line.strip() and not line.startswith(_COMMENT))
    rows = (row for row in csv.reader(lines, delimiter=separator) if any(map(str.strip, row)))
    if separator != ";":
        return rows
    # Where numbers have a decimal comma, spreadsheets separate cells by semicolons.
    return (
        [_DECIMAL_COMMA.sub(r"\1.\2", cell) if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in row] for row in rows
    )


def _find_separator(lines: Sequence[str]) -> str:
    """Return the separator that gives every line the same number of cells, at least two; spaces if none does."""
    lines = [line for line in lines if not line.startswith(_COMMENT)] or lines
    counts: dict[str, list[int]] = {}
    for separator in _SEPARATORS:
        counts[separator] = [len(row) for row in _split_rows(iter(lines), separator)]
    regular = {separator: found[0] for separator, found in counts.items() if found and len(set(found)) == 1}
    best = max(regular, key=lambda separator: regular[separator], default=",")
    if regular.get(best, 1) > 1:
        return best
    spaced = [len(row) for row in _split_rows(iter(lines), " ")][-3:]
    if spaced and min(spaced) == max(spaced) > 1 and not any(max(found, default=1) > 1 for found in counts.values()):
        return " "
    # The first line is the header; a table whose rows differ from it is refused with the number of the row.
    return max(counts, key=lambda separator: counts[separator][0] if counts[separator] else 0)
