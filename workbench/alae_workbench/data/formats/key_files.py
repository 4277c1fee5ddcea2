"""Files beside each picture in WebDataset: KEY.cls with a class, and KEY.json with fields."""

from collections.abc import Iterable

from alae_core._support.text import short_repr
from alae_workbench.data.formats.json_table import parse_json_object
from alae_workbench.data.label_columns import find_class_title

# Maximum number of characters of a class.
_MOST_CHARACTERS = 100


def find_key(name: str) -> str:
    """Return the KEY of WebDataset: the path up to the first dot of the file name."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"


def read_classes(files: Iterable[tuple[str, bytes]]) -> dict[str, list[str]]:
    """Read the class in each file, by file name. Raises ValueError if one holds no class."""
    rows = {}
    for file, content in files:
        text = " ".join(content.decode("utf-8", "replace").split())
        if not text or len(text) > _MOST_CHARACTERS:
            raise ValueError(f"{short_repr(file)} holds no class")
        rows[file] = [text]
    return rows


def read_objects(files: Iterable[tuple[str, bytes]]) -> dict[str, list[str]] | None:
    """Read the class in each JSON object, by file name; None if the first has no class.

    Raises ValueError if one is not a JSON object.
    """
    rows: dict[str, list[str]] = {}
    for file, content in files:
        row = parse_json_object(content)
        title = find_class_title(list(row))
        if title is None and not rows:
            return None
        rows[file] = [row[title] if title else ""]
    return rows
