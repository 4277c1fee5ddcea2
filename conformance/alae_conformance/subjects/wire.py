"""What crosses between the suite and the process that it judges: plain data and arrays, and never an object.

A message is its length, then JSON that says what it is made of, then the arrays' bytes one after the other. Whatever a
hostile process may send, it is decoded to plain data or refused.
"""

import json
import socket
import struct
import time
from math import prod
from typing import Any, NamedTuple

import numpy as np

from alae_conformance.subjects import Batches, Inputs
from alae_core.draws import Draws
from alae_core.view import View

#: bytes of a message, and of the JSON in it: fifty times what the largest case needs
MOST, MOST_JSON = 2**26, 2**20


class Failure(NamedTuple):
    """The answer that is an exception; `kind` is "error", or the name of one that the suite knows."""

    kind: str
    message: str
    details: str


_HEAD = struct.Struct("!QQ")  # bytes of JSON, bytes of arrays
_RECORDS = {
    "Batches": (Batches, ("images", "labels")),
    "Inputs": (Inputs, Inputs._fields),
    "Draws": (Draws, Draws._fields),
    "View": (View, ("lod", "blend")),
    "Failure": (Failure, Failure._fields),
}
_DTYPES = {np.dtype(kind).name: np.dtype(kind) for kind in "?bhilqBHILQefd"}


class WireError(ValueError):
    """A value or a message that may not cross."""


def encode(value: Any) -> bytes:
    """A message.

    Args:
        value: None, a bool, int, float or str, an array of bools, ints or floats, batches, inputs, draws, a view or a
            failure; or lists, tuples and dictionaries (with keys of text) of these.

    Raises WireError, naming the place, for anything else, and for more than `MOST` bytes.
    """
    arrays: list[bytes] = []
    head = json.dumps(_described(value, "the answer", arrays)).encode()
    total = sum(map(len, arrays))
    if len(head) > MOST_JSON or len(head) + total > MOST:
        raise WireError(f"the answer takes {len(head) + total:,} bytes, of which at most {MOST:,} may cross")
    return b"".join([_HEAD.pack(len(head), total), head, *arrays])


def decode(message: bytes) -> Any:
    """The value of a message: `encode`'s, bit for bit. Raises WireError for what is none."""
    try:
        length, total = _HEAD.unpack_from(message)
        end = _HEAD.size + length
        if len(message) != end + total:
            raise ValueError("its parts have other lengths than it says")
        value, rest = _restored(json.loads(message[_HEAD.size : end]), memoryview(message)[end:])
        if rest:
            raise ValueError("it has more bytes than its arrays")
    except (ValueError, TypeError, KeyError, struct.error, OverflowError, RecursionError) as error:
        raise WireError(f"it sent what is no message: {error!s:.200}") from error
    return value


def send(line: socket.socket, message: bytes, patience: float | None = None) -> None:
    """Send a message. Raises TimeoutError where it is not taken within `patience` seconds."""
    line.settimeout(patience)
    line.sendall(message)


def receive(line: socket.socket, patience: float | None = None) -> bytes:
    """The next message, undecoded.

    Raises:
        TimeoutError: it is not there, to its last byte, within `patience` seconds.
        EOFError: the other side is closed.
        WireError: it claims to be longer than any may be.
    """
    deadline = None if patience is None else time.monotonic() + patience
    message = bytearray()

    def read(size: int) -> None:
        while len(message) < size:
            # By whole messages: one that comes a byte at a time, for ever, is no answer.
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            line.settimeout(left)
            part = line.recv(min(size - len(message), 2**16))
            if not part:
                raise EOFError
            message.extend(part)

    read(_HEAD.size)
    length, total = _HEAD.unpack(message)
    if length > MOST_JSON or length + total > MOST:
        raise WireError(f"it sent what is no message: it claims {length + total:,} bytes")
    read(_HEAD.size + length + total)
    return bytes(message)


def _described(value: Any, where: str, arrays: list[bytes]) -> Any:
    """`value` as JSON: containers as [tag, …], arrays' bytes added to `arrays`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.name not in _DTYPES:
            raise WireError(f"{where} is an array of {value.dtype}, but only bools, ints and floats cross")
        arrays.append(np.asarray(value, _DTYPES[value.dtype.name]).tobytes())
        return ["array", value.dtype.name, *value.shape]
    for tag, (record, fields) in _RECORDS.items():
        if isinstance(value, record):
            return [tag, *(_described(getattr(value, field), f"{where}.{field}", arrays) for field in fields)]
    if isinstance(value, list | tuple):
        tag = "list" if isinstance(value, list) else "tuple"
        return [tag, *(_described(each, f"{where}[{i}]", arrays) for i, each in enumerate(value))]
    if isinstance(value, dict):
        found: list[Any] = ["dict"]
        for key, each in value.items():
            if not isinstance(key, str):
                raise WireError(f"{where} has the key {key!r:.80}, which is no text")
            found += [key, _described(each, f"{where}[{key!r:.80}]", arrays)]
        return found
    raise WireError(f"{where} is a {type(value).__name__}, which is neither plain data nor a NumPy array")


def _restored(found: Any, content: memoryview) -> tuple[Any, memoryview]:
    """What `_described` described, and the bytes that are left of the arrays'."""
    if not isinstance(found, list):
        if isinstance(found, dict):
            raise ValueError("a bare dictionary")
        return found, content
    tag, *parts = found
    if tag == "array":
        name, *shape = parts
        if not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"an array of shape {shape}")
        dtype = _DTYPES[name]
        size = prod(shape) * dtype.itemsize
        if size > len(content):
            raise ValueError("an array of more bytes than there are")
        # A copy, which can be written to and is aligned.
        return np.ndarray(shape, dtype, bytearray(content[:size])), content[size:]
    if tag == "dict":
        keys = parts[::2]
        if len(parts) % 2 or not all(isinstance(key, str) for key in keys):
            raise ValueError("a dictionary without keys")
        parts = parts[1::2]
    values = []
    for part in parts:
        value, content = _restored(part, content)
        values.append(value)
    if tag == "dict":
        return dict(zip(keys, values, strict=True)), content
    return (_RECORDS[tag][0](*values) if tag in _RECORDS else {"list": list, "tuple": tuple}[tag](values)), content
