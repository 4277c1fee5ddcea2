"""Manifests: JSON files of typed content that hold the SHA-256 of themselves, believed only as far as they deserve."""

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


def sealed(data: Mapping[str, Any]) -> bytes:
    """Plain data as a manifest. Raises TypeError, ValueError or RecursionError where it is none, as JSON has it."""
    return json.dumps({**data, "sha256": _digest(data)}, indent=2).encode()


def read_manifest(
    file: Path, formats: Mapping[int, type[Content]], *, most: int, error: type[AlaeError] = AlaeError
) -> Content:
    """What a manifest holds.

    Args:
        file: where it is.
        formats: the type of its content by the number that it says as `format`, its own included.
        most: bytes that it has at the most.
        error: what is raised.

    Raises `error` where it cannot be read, has a format that is not among `formats`, is damaged, or holds anything but
    what its format says.
    """
    content = read_bytes(file, most, error)
    try:
        # This parser has a bound on how deep values lie within each other.
        data = from_json(content)
        digest, written = data.pop("sha256"), data["format"]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise error(f"{file} is damaged: it is not a manifest") from problem
    if type(written) is not int or written not in formats:
        known = f"formats 1 to {max(formats)}" if len(formats) > 1 else "format 1"
        raise error(f"{file} has format {short_repr(written)}, but this version of alae reads {known}")
    if digest != _digest(data):
        raise error(f"{file} is damaged: its own SHA-256 does not fit")
    try:
        return validate(formats[written], data, "it is not as such a manifest is written")
    except AlaeError as problem:
        raise error(f"{file} is damaged: {problem}") from problem


def read_bytes(file: Path, most: int | None, error: type[AlaeError]) -> bytes:
    """`files.read_regular`, which raises an `error` that names the file."""
    try:
        return read_regular(file, most)
    except OSError as problem:
        raise error(f"{file} cannot be read: {problem.strerror}") from problem


def _digest(manifest: Mapping[str, Any]) -> str:
    return sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
