"""Tables in JSON: the `dataset.json` of StyleGAN, the `metadata.jsonl` of the Hub, and one object for each image."""

import json
from typing import Any

from alae_workbench.data.label_columns import find_class_title
from alae_workbench.data.label_matching import Table

# Maximum length of a label that is a list, such as one-hot rows and CelebA's forty attributes.
_MOST_VALUES = 2**10
_NAME, _LABEL = "file_name", "label"
# Keys of annotations as COCO stores them.
_COCO = (b'"images"', b'"annotations"')


class AnnotationsError(ValueError):
    """A JSON file does not describe images, but things in them."""


def parse_dataset_json(content: bytes) -> Table | None:
    """Parse `labels` of a `dataset.json`: pairs of a file name and a number, a text or a list of numbers.

    An object of names and labels, and a list of objects, are accepted too. Returns None if `labels` is null.

    Raises ValueError if it is not JSON, or has no `labels`; AnnotationsError if it has the format of COCO.
    """
    if all(key in content for key in _COCO):
        raise AnnotationsError("it describes things in images, as COCO does, not a class of each image")
    document = _parse_json(content)
    if isinstance(document, dict) and "labels" in document:
        document = document["labels"]
        if document is None:
            return None
    elif isinstance(document, dict) and any(isinstance(value, (dict, list)) for value in document.values()):
        raise ValueError("it has no entry 'labels'")
    pairs = list(document.items()) if isinstance(document, dict) else document
    if not isinstance(pairs, list) or not pairs:
        raise ValueError("its entry 'labels' is not a list of file names and labels")
    if isinstance(pairs[0], dict):
        return _make_table(pairs)
    return _make_table_of_rows([_flatten_pair(pair) for pair in pairs])


def parse_json_lines(content: bytes) -> Table:
    """Parse an object per line. Raises ValueError if a line is not an object."""
    lines = (line for line in content.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip())
    return _make_table([_parse_json(line) for line in lines])


def parse_json_object(content: bytes) -> dict[str, str]:
    """Parse an object, and return its values that are numbers, texts or truth values. Raises ValueError for others."""
    document = _parse_json(content)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return {key: _as_text(value) for key, value in document.items() if not isinstance(value, (dict, list))}


def _parse_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


def _make_table_of_rows(rows: list[list[str]]) -> Table:
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        raise ValueError("its labels have different lengths")
    titles = [_LABEL] if width == 2 else [str(number) for number in range(width - 1)]
    return Table([_NAME, *titles], iter(rows), 1)


def _make_table(objects: list[Any]) -> Table:
    """Make a table of objects, with a column for each key whose values are numbers, texts or truth values."""
    if not objects or not all(isinstance(entry, dict) for entry in objects):
        raise ValueError("it must hold an object for each image")
    titles = list(dict.fromkeys(key for entry in objects for key in entry))[:_MOST_VALUES]
    nested = {key for entry in objects for key, value in entry.items() if isinstance(value, (dict, list))}
    label = find_class_title([key for key in titles if key in nested])
    if label and not any(find_class_title([key]) for key in titles if key not in nested):
        pairs = [_flatten_pair([str(entry.get(_NAME, "")), entry.get(label)]) for entry in objects]
        return _make_table_of_rows(pairs)
    titles = [key for key in titles if key not in nested]
    if len(titles) < 2:
        raise ValueError("it needs a file name and a label for each image")
    return Table(titles, ([_as_text(entry.get(key)) for key in titles] for entry in objects), 1)


def _flatten_pair(pair: Any) -> list[str]:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not isinstance(pair[0], str):
        raise ValueError("its entry 'labels' must hold pairs of a file name and a label")
    name, label = pair
    values = label if isinstance(label, list) else [label]
    if not 1 <= len(values) <= _MOST_VALUES or any(isinstance(value, (dict, list)) for value in values):
        raise ValueError(f"the label of {name[:80]!r} is neither a number, a text nor a list of numbers")
    return [name, *map(_as_text, values)]


def _as_text(value: Any) -> str:
    return "" if value is None else str(value)
