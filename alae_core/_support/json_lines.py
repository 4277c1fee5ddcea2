"""Records and events as lines of JSON, with the time."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def format_time() -> str:
    """Return the time now, such as "2026-03-01T12:00:00.000Z"."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode_line(values: Mapping[str, Any]) -> bytes:
    """Encode plain data, and paths, as one line of JSON."""
    return (json.dumps(values, ensure_ascii=False, default=str) + "\n").encode()


def encode_event(event: str, **values: Any) -> bytes:
    """Encode an event of a log, as docs/cluster.md lists them, as one line of JSON."""
    return encode_line({"time": format_time(), "event": event, **values})
