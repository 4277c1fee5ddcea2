"""Settings as typed, frozen data: read from YAML, changed by dotted keys, every mistake named."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from alae_core.errors import ConfigError


class Frozen(BaseModel):
    """Base of every group of settings."""

    # Without allow_inf_nan=False a `.nan` learning rate would pass every bound.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=Frozen)


class _YamlLoader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as text; people mean a number."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str) -> Any:
    """The plain data (mappings, lists, numbers, text) in YAML `text`; raises yaml.YAMLError."""
    # A SafeLoader: it builds plain data only and executes nothing.
    return yaml.load(text, Loader=_YamlLoader)


def read_yaml(text: str, source: str) -> dict[str, Any]:
    """The mapping in YAML `text`. Raises ConfigError, naming `source`, where there is none."""
    try:
        data = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source} must be a mapping of configuration keys, but holds {type(data).__name__}")
    return data


def read_text(path: Path) -> str:
    """The text of a file of settings. Raises ConfigError where it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {getattr(error, 'strerror', None) or error}"
        ) from error


def to_yaml(data: Mapping[str, Any]) -> str:
    """Plain data as YAML text, keys in their order."""
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)


def to_explained_yaml(settings: Frozen) -> str:
    """Settings as YAML text to be edited: each with its description as a comment, a group of a list on one line."""
    return "".join(f"{line}\n" for line in _explained(settings))


def _explained(settings: Frozen) -> Iterator[str]:
    data = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        value, plain, comment = (
            getattr(settings, name),
            data[name],
            f"  # {field.description}" * bool(field.description),
        )
        if isinstance(plain, dict):
            yield f"{name}:{comment}"
            yield from (f"  {line}" for line in _explained(value))
        elif _are_groups(plain) and plain:
            yield f"{name}:{comment}"
            yield from (f"  - {_flow({key: each[key] for key in each if each[key] is not None})}" for each in plain)
        else:
            yield f"{name}: {_flow(plain)}{comment}"


def _flow(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1000)
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def override(data: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of nested `data` with a new value at a dotted key; `data` stays as it was.

    A number in the key counts into a list. A mapping is merged into the group that is there, unless it names another
    `family` of networks, whose keys are others. Raises ConfigError where the key leads through a plain value or beyond
    the end of a list.
    """
    return _changed(data, key.split("."), value, key)


def _changed(inside: Any, path: Sequence[str], value: Any, key: str) -> Any:
    if not path:
        return _merged(inside, value)
    first, rest = path[0], path[1:]
    if isinstance(inside, list):
        if not first.isdecimal() or int(first) >= len(inside):
            raise ConfigError(
                f"{key!r} cannot be set: {first!r} is none of 0 … {len(inside) - 1}, the places of a list"
            )
        return [_changed(each, rest, value, key) if i == int(first) else each for i, each in enumerate(inside)]
    if inside is not None and not isinstance(inside, Mapping):
        raise ConfigError(f"{key!r} cannot be set: {first!r} would lie within the value {inside!r}, no group of keys")
    inside = dict(inside or {})
    return inside | {first: _changed(inside.get(first), rest, value, key)}


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    if "family" in new and new["family"] != old.get("family"):
        return dict(new)
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def moved(data: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """A copy of nested `data` with the value at one dotted key, if there is one, at another."""
    *parents, last = old.split(".")
    holder: Any = data
    for parent in parents:
        holder = holder.get(parent) if isinstance(holder, Mapping) else None
    if not isinstance(holder, Mapping) or last not in holder:
        return dict(data)
    return override(_without(data, [*parents, last]), new, holder[last])


def _without(data: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    if len(path) == 1:
        return {key: value for key, value in data.items() if key != path[0]}
    return {**data, path[0]: _without(data[path[0]], path[1:])}


def differences(data: Any, base: Any, prefix: str = "") -> dict[str, Any]:
    """The values of nested `data` that differ from those of `base`, by dotted key."""
    if isinstance(data, Mapping) and isinstance(base, Mapping) and data.get("family") == base.get("family"):
        pairs = [(key, data.get(key), base.get(key)) for key in {**base, **data}]
    elif _are_groups(data) and _are_groups(base) and len(data) == len(base):
        pairs = [(str(i), *pair) for i, pair in enumerate(zip(data, base, strict=True))]
    else:
        return {} if data == base else {prefix: data}
    found: dict[str, Any] = {}
    for key, mine, other in pairs:
        found |= differences(mine, other, f"{prefix}.{key}" if prefix else key)
    return found


def _are_groups(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def listed(changes: Mapping[str, Any], most: int = 6) -> str:
    """Changes as text for one line: "updates=official, adam.learning_rate=0.001"."""
    texts = {key: str(value) for key, value in changes.items()}
    shown = [f"{key}={text if len(text) <= 24 else '…'}" for key, text in texts.items()]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


def validate(model: type[Settings], data: Any, source: str, prefix: str = "") -> Settings:
    """Plain data as a `model`; `source` and the dotted key `prefix` name it in errors.

    Raises ConfigError where a key is unknown (the nearest valid one is named), or a value wrong or impossible.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [_explain(problem, model, prefix) for problem in error.errors()]
        raise ConfigError(f"{source}: {'; '.join(problems)}") from error


def nearest(word: str, choices: Sequence[str], prefix: Sequence[str] = ()) -> str:
    """ "; did you mean 'x'?", where one of the choices is like `word`, else nothing."""
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"; did you mean {'.'.join([*prefix, close[0]])!r}?" if close else ""


def _explain(problem: Any, root: type[BaseModel], prefix: str) -> str:
    *parents, last, model = _locate(problem["loc"], root)
    parents = [*([prefix] if prefix else []), *parents]
    key = ".".join(filter(None, [*parents, last]))
    match problem["type"]:
        case "extra_forbidden":
            fields = list(model.model_fields)
            return f"unknown key {key!r}{nearest(last, fields, parents)}; keys here: {', '.join(fields)}"
        case "missing":
            return f"the key {key!r} is missing"
        case "value_error":
            return f"{key + ': ' if key else ''}{problem['ctx']['error']}"
        case "union_tag_invalid":
            return f"{key}.family is {problem['ctx']['tag']!r}: it should be one of {problem['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return f"the key '{key}.family' is missing"
        case _:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            return f"{key} is {problem['input']!r}: {message}"


def _locate(location: Sequence[str | int], root: type[BaseModel]) -> tuple[Any, ...]:
    """The key at `location`, part by part, then the model whose field its last part is, or should have been."""
    if not location:
        return "", root
    key: list[str] = []
    model: type[BaseModel] = root
    holder = model
    parts = list(location)
    while parts:
        part = parts.pop(0)
        key.append(str(part))
        if isinstance(part, int) or part not in model.model_fields:
            holder = model
            continue
        holder, inner = model, _models(model.model_fields[part].annotation)
        if len(inner) > 1 and parts:
            # Between alternatives pydantic puts the tag of the one it took.
            family = parts.pop(0)
            inner = [one for one in inner if get_args(one.model_fields["family"].annotation) == (family,)]
        model = inner[0] if inner else model
    return *key, holder


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field's annotation names, whatever it wraps them in."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
