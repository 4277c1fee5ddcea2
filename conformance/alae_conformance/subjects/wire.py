"""Answers of a judged process: plain data and arrays of numbers, never objects that could run code when they are read.

A message is two frames of a pipe: JSON, then the arrays in NumPy's .npy format, one after the other.
"""

import json
from io import BytesIO
from typing import Any

import numpy as np

#: largest message in bytes, fifty times that of the largest case
MOST_BYTES = 2**26


class WireError(ValueError):
    """Content that must not be sent, or frames that are not an answer."""


def encode(kind: str, content: Any) -> tuple[bytes, bytes]:
    """Return the frames of an answer.

    Args:
        kind: "value", or "raised" for an exception.
        content: None, a bool, int, float or str, or an array of bools, ints or floats; or lists, tuples, which arrive
            as lists, and dictionaries with str keys of these.

    Raises WireError, which names the place, for any other content, and for more than `MOST_BYTES`.
    """
    arrays = BytesIO()
    text = json.dumps([kind, _to_json(content, "the answer", arrays)]).encode()
    size = len(text) + arrays.tell()
    if size > MOST_BYTES:
        raise WireError(f"the answer takes {size:,} bytes; at most {MOST_BYTES:,} are allowed")
    return text, arrays.getvalue()


def decode(text: bytes, arrays: bytes) -> tuple[str, Any]:
    """Return the kind and content of an answer's frames. Raises WireError if they are not what `encode` returns."""
    rest = BytesIO(arrays)
    try:
        kind, content = json.loads(text)
        if kind not in ("value", "raised"):
            raise ValueError(f"an answer of kind {kind!r:.80}")
        content = _from_json(content, rest)
        if rest.read(1):
            raise ValueError("more arrays than announced")
    except (ValueError, TypeError, KeyError, EOFError, RecursionError, MemoryError) as error:
        raise WireError(f"it sent something that is not an answer: {error!s:.200}") from error
    return kind, content


def _to_json(value: Any, where: str, arrays: BytesIO) -> Any:
    """Replace arrays in `value` by {"array": true}, and dictionaries by {"dict": …}."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise WireError(f"{where} is an array of {value.dtype}, but only bools, ints and floats are allowed")
        np.save(arrays, value, allow_pickle=False)
        return {"array": True}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise WireError(f"{where} has the key {key!r:.80}, which is not a str")
        return {"dict": {key: _to_json(part, f"{where}[{key!r:.80}]", arrays) for key, part in value.items()}}
    if isinstance(value, list | tuple):
        return [_to_json(part, f"{where}[{i}]", arrays) for i, part in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise WireError(f"{where} is a {type(value).__name__}, which is neither plain data nor a NumPy array")


def _from_json(value: Any, arrays: BytesIO) -> Any:
    match value:
        case list():
            return [_from_json(part, arrays) for part in value]
        case {"array": True}:
            return np.load(arrays, allow_pickle=False)
        case {"dict": dict(parts)}:
            return {key: _from_json(part, arrays) for key, part in parts.items()}
        case dict():
            raise ValueError("an object that is neither an array nor a dictionary")
    return value
