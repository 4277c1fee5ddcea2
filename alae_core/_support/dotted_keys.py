"""Nested plain data, addressed by dotted keys such as "growth.levels.0.images"."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem
from typing import Any

from alae_core._support.text import short_repr
from alae_core.errors import ConfigError


def override(data: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a copy of nested `data` with a new value at a dotted key.

    A number in the key is an index into a list. A mapping is merged into an existing group, unless the two are
    different families of networks, which have different keys. Raises ConfigError if a part of the key leads to a plain
    value, a missing list, or an index beyond the end of a list.
    """
    return _replace_value(data, key.split("."), value, key)


def _replace_value(inside: Any, path: Sequence[str], value: Any, key: str) -> Any:
    if not path:
        return _merge(inside, value)
    first, rest = path[0], path[1:]
    if isinstance(inside, list):
        if first not in map(str, range(len(inside))):
            raise ConfigError(f"{key!r} cannot be set: {first!r} must be an index of the list, 0 … {len(inside) - 1}")
        return [_replace_value(each, rest, value, key) if i == int(first) else each for i, each in enumerate(inside)]
    if inside is None and first.isdecimal():
        raise ConfigError(f"{key!r} cannot be set: there is no list for the index {first!r}; set the whole list")
    if inside is not None and not isinstance(inside, Mapping):
        raise ConfigError(
            f"{key!r} cannot be set: {first!r} would be inside {short_repr(inside)}, which is not a group of keys"
        )
    inside = dict(inside or {})
    return inside | {first: _replace_value(inside.get(first), rest, value, key)}


def _merge(old: Any, new: Any) -> Any:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    if "family" in new and new["family"] != old.get("family"):
        return dict(new)
    return {**old, **{key: _merge(old.get(key), value) for key, value in new.items()}}


def move_key(data: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return a copy of nested `data` with the value at the dotted key `old`, if there is one, moved to `new`."""
    if not has_key(data, old):
        return dict(data)
    path = old.split(".")
    return override(_remove(data, path), new, reduce(getitem, path, data))


def has_key(data: Any, key: str) -> bool:
    """Return whether nested `data` has a value at a dotted key."""
    first, dot, rest = key.partition(".")
    return isinstance(data, Mapping) and first in data and (not dot or has_key(data[first], rest))


def _remove(data: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    if len(path) == 1:
        return {key: value for key, value in data.items() if key != path[0]}
    return {**data, path[0]: _remove(data[path[0]], path[1:])}


def differences(data: Any, base: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested `data` that differ from those of `base`, by dotted key."""
    if isinstance(data, Mapping) and isinstance(base, Mapping) and data.get("family") == base.get("family"):
        pairs = [(key, data.get(key), base.get(key)) for key in {**base, **data}]
    elif are_groups(data) and are_groups(base) and len(data) == len(base):
        pairs = [(str(i), *pair) for i, pair in enumerate(zip(data, base, strict=True))]
    else:
        return {} if data == base else {prefix: data}
    found: dict[str, Any] = {}
    for key, mine, other in pairs:
        found |= differences(mine, other, f"{prefix}.{key}" if prefix else key)
    return found


def are_groups(value: Any) -> bool:
    """Return whether `value` is a list of mappings."""
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def describe_changes(changes: Mapping[str, Any], most: int = 6) -> str:
    """Format changes as text, such as "updates=official, adam.learning_rate=0.001"."""
    texts = {key: value if isinstance(value, str) else short_repr(value) for key, value in changes.items()}
    shown = [f"{key}={text if len(text) <= 24 else '…'}" for key, text in texts.items()]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
