"""HTML for notebooks: tables and pictures. All text is escaped."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape

#: maximum size of an inline picture in bytes; a notebook saves every one of them
MOST_BYTES = 2**20


def make_table(rows: Iterable[Mapping[str, object]], title: str = "") -> str:
    """Return a table of rows: the columns are the keys of the rows in order, and numbers are aligned to the right.

    A missing value, or None, leaves a cell empty. Floats have four decimal places, as at the terminal.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = "".join(
        f'<th style="text-align:{_align(row[column] for row in rows if column in row)}">{escape(column)}</th>'
        for column in columns
    )
    body = "".join(f"<tr>{''.join(_make_cell(row.get(column)) for column in columns)}</tr>" for row in rows)
    return f"{make_title(title)}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def make_title(text: str) -> str:
    """Return a line of text to put above a table or picture; nothing for an empty text."""
    return f"<div>{escape(text)}</div>" if text else ""


def make_picture(png: bytes) -> str:
    """Return a picture from the bytes of a PNG file, as large as its pixels, or narrower in a narrow window."""
    data = b64encode(png).decode()
    return f'<img src="data:image/png;base64,{data}" style="max-width:100%;height:auto" alt="">'


def _make_cell(value: object) -> str:
    if isinstance(value, float):
        text = f"{value:.4f}"
    elif isinstance(value, int) and not isinstance(value, bool):
        text = f"{value:,}"
    else:
        text = "" if value is None else escape(str(value))
    return f'<td style="text-align:{_align([value])}">{text}</td>'


def _align(values: Iterable[object]) -> str:
    """Return the side that values are aligned to: the right if any is a number."""
    numbers = (isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return "right" if any(numbers) else "left"
