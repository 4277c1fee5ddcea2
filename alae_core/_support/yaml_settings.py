"""Settings as typed, frozen data: read from YAML, changed by dotted keys, every mistake named."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from yaml.constructor import ConstructorError

from alae_core._support.files import read_regular
from alae_core._support.text import short_repr, suggest
from alae_core.errors import ConfigError

#: what a file of settings may hold at the most: bytes; values, those of an alias each time it is used; groups in groups
MOST_BYTES, MOST_VALUES, MOST_DEPTH = 2**16, 10_000, 20
#: problems of one configuration that are worth a line
_MOST_PROBLEMS = 5

#: how many there are of something: as much as a computer could ever count to
Count = Annotated[int, Field(gt=0, le=10**12)]


class Frozen(BaseModel):
    """Base of every group of settings."""

    # Without allow_inf_nan=False a `.nan` learning rate would pass every bound.
    # Pydantic's own message writes a whole input out before it cuts it.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


Settings = TypeVar("Settings", bound=Frozen)


class _YamlLoader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        again = {key.value: key for key in keys}
        for key in keys:
            if again[key.value] is not key:
                # YAML would take the last without a word.
                raise ConstructorError(
                    problem=f"{key.value!r} is there twice", problem_mark=again[key.value].start_mark
                )
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        # Here what is merged from aliases of aliases would double, and double again.
        if len(node.value) > MOST_VALUES:
            raise ConstructorError(problem="too much is merged", problem_mark=node.start_mark)


# A date is text.
_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# YAML 1.1 reads 1e-3 as text; people mean a number.
_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str) -> Any:
    """The plain data (mappings, lists, numbers, text) in YAML `text`.

    Raises yaml.YAMLError, also for more data than settings have: see MOST_BYTES, MOST_VALUES and MOST_DEPTH.
    """
    if len(text) > MOST_BYTES:
        raise yaml.YAMLError(f"it has {len(text):,} characters, more than the {MOST_BYTES:,} that settings may have")
    try:
        # A SafeLoader: it builds plain data only and executes nothing.
        data = yaml.load(text, Loader=_YamlLoader)
    except RecursionError as error:
        raise yaml.YAMLError(_too_deep()) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # What PyYAML lets through: numbers of thousands of digits, and what is not what its !!tag says.
        raise yaml.YAMLError(f"it has a value that cannot be read: {error}") from error
    _require_bounded(data)
    return data


def _require_bounded(data: Any) -> None:
    level, values = [data], 0
    for _ in range(MOST_DEPTH):
        groups = [each for each in level if isinstance(each, Mapping | list)]
        values += sum(map(len, groups))
        if values > MOST_VALUES:
            raise yaml.YAMLError(
                f"it has more than the {MOST_VALUES:,} values that settings may have, aliases included"
            )
        if any(isinstance(each, int) and each.bit_length() > 256 for each in level):
            raise yaml.YAMLError("it has a number of more digits than any setting has")
        level = [each for group in groups for each in (group.values() if isinstance(group, Mapping) else group)]
    if level:
        raise yaml.YAMLError(_too_deep())


def _too_deep() -> str:
    return f"its groups lie within each other deeper than the {MOST_DEPTH} levels that settings may have"


def read_yaml(text: str, source: str) -> dict[str, Any]:
    """The mapping in YAML `text`. Raises ConfigError, naming `source`, where there is none."""
    try:
        data = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source} must be a mapping of configuration keys, but holds {type(data).__name__}")
    return data


def read_text(path: Path) -> str:
    """The text of a file of settings. Raises ConfigError where it cannot be read."""
    try:
        return read_regular(path, MOST_BYTES).decode()
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error


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
    `family` of networks, whose keys are others. Raises ConfigError where the key leads through a plain value, into a
    list that is not there, or beyond the end of one.
    """
    return _changed(data, key.split("."), value, key)


def _changed(inside: Any, path: Sequence[str], value: Any, key: str) -> Any:
    if not path:
        return _merged(inside, value)
    first, rest = path[0], path[1:]
    if isinstance(inside, list):
        if first not in map(str, range(len(inside))):
            raise ConfigError(
                f"{key!r} cannot be set: {first!r} is none of 0 … {len(inside) - 1}, the places of a list"
            )
        return [_changed(each, rest, value, key) if i == int(first) else each for i, each in enumerate(inside)]
    if inside is None and first.isdecimal():
        raise ConfigError(
            f"{key!r} cannot be set: there is no list that {first!r} could count into; set the whole list"
        )
    if inside is not None and not isinstance(inside, Mapping):
        raise ConfigError(
            f"{key!r} cannot be set: {first!r} would lie within the value {short_repr(inside)}, no group of keys"
        )
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
    if not holds(data, old):
        return dict(data)
    path = old.split(".")
    return override(_without(data, path), new, reduce(getitem, path, data))


def holds(data: Any, key: str) -> bool:
    """Whether nested `data` has a value at a dotted key."""
    first, dot, rest = key.partition(".")
    return isinstance(data, Mapping) and first in data and (not dot or holds(data[first], rest))


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
    texts = {key: value if isinstance(value, str) else short_repr(value) for key, value in changes.items()}
    shown = [f"{key}={text if len(text) <= 24 else '…'}" for key, text in texts.items()]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


def validate(model: type[Settings], data: Any, source: str, prefix: str = "") -> Settings:
    """Plain data as a `model`; `source` and the dotted key `prefix` name it in errors.

    Raises ConfigError where a key is unknown (the nearest valid one is named), or a value wrong or impossible.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors()
        problems = [_explain(problem, model, prefix) for problem in found[:_MOST_PROBLEMS]]
        more = [f"and {len(found) - _MOST_PROBLEMS} more"] if len(found) > _MOST_PROBLEMS else []
        raise ConfigError(f"{source}: {'; '.join([*problems, *more])}") from error


def _explain(problem: Any, root: type[BaseModel], prefix: str) -> str:
    *parents, last, model = _locate(problem["loc"], root)
    parents = [*([prefix] if prefix else []), *parents]
    key = ".".join(filter(None, [*parents, last]))
    match problem["type"]:
        case "extra_forbidden":
            fields = list(model.model_fields)
            return f"unknown key {key!r}{suggest(last, fields, parents)}; keys here: {', '.join(fields)}"
        case "missing" if isinstance(problem["loc"][-1], int):
            should = model.model_fields[parents[-1]].description
            return f"{'.'.join(parents)} is {short_repr(problem['input'])}, but should be {should}"
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
            return f"{key} is {short_repr(problem['input'])}: {message}"


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
