"""JSON manifests, validated by schema and by the SHA-256 that they contain."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import from_json

from alae_core._support.files import read_regular
from alae_core._support.text import short_repr
from alae_core._support.validation import Frozen, validate
from alae_core.errors import AlaeError

Content = TypeVar("Content", bound=Frozen)


def seal_manifest(data: Mapping[str, Any]) -> bytes:
    """Encode a manifest. Raises TypeError, ValueError or RecursionError if `data` is not plain data for JSON."""
    return json.dumps({**data, "sha256": _digest(data)}, indent=2).encode()


def read_manifest(
    file: Path, formats: Mapping[int, type[Content]], *, most: int, error: type[AlaeError] = AlaeError
) -> Content:
    """Read and validate a manifest.

    Args:
        file: its path.
        formats: the type of the content for each value of the field `format`.
        most: its maximum size in bytes.
        error: the class of exceptions to raise.

    Raises `error` if the file cannot be read, is damaged, has a format that is not in `formats`, or does not match it.
    """
    content = read_bytes(file, most, error)
    try:
        # Unlike json, this parser limits how deeply values are nested.
        data = from_json(content)
        digest, written = data.pop("sha256"), data["format"]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise error(f"{file} is damaged: it is not a manifest") from problem
    if type(written) is not int or written not in formats:
        known = f"formats 1 to {max(formats)}" if len(formats) > 1 else "format 1"
        raise error(f"{file} has format {short_repr(written)}, but this version of alae reads {known}")
    if digest != _digest(data):
        raise error(f"{file} is damaged: its SHA-256 does not match its content")
    try:
        return validate(formats[written], data, "it does not match its format")
    except AlaeError as problem:
        raise error(f"{file} is damaged: {problem}") from problem


def read_bytes(file: Path, most: int | None, error: type[AlaeError]) -> bytes:
    """Call `files.read_regular`; raise its errors as an `error` that names the file."""
    try:
        return read_regular(file, most)
    except OSError as problem:
        raise error(f"{file} cannot be read: {problem.strerror}") from problem


def _digest(manifest: Mapping[str, Any]) -> str:
    return sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
