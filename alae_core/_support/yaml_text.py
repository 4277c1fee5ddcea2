"""YAML text of bounded size as plain data, and back."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from yaml.constructor import ConstructorError

from alae_core._support.dotted_keys import are_groups
from alae_core._support.files import read_regular
from alae_core.errors import ConfigError

#: limits of a settings file: bytes; values, with aliases counted at each use; depth of nested groups
MOST_BYTES, MOST_VALUES, MOST_DEPTH = 2**16, 10_000, 20


class _YamlLoader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        again = {key.value: key for key in keys}
        for key in keys:
            if again[key.value] is not key:
                # YAML would silently use the last value.
                raise ConstructorError(
                    problem=f"{key.value!r} is given twice", problem_mark=again[key.value].start_mark
                )
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        # Merging aliases of aliases doubles the size each time.
        if len(node.value) > MOST_VALUES:
            raise ConstructorError(problem="merged groups are too large", problem_mark=node.start_mark)


# Dates stay text.
_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# YAML 1.1 reads 1e-3 as text, but users mean a number.
_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str) -> Any:
    """Return the plain data (mappings, lists, numbers, text) in YAML `text`.

    Raises yaml.YAMLError if it is not YAML, or exceeds MOST_BYTES, MOST_VALUES or MOST_DEPTH.
    """
    if len(text) > MOST_BYTES:
        raise yaml.YAMLError(f"it has {len(text):,} characters, more than the {MOST_BYTES:,} that settings may have")
    try:
        # A SafeLoader builds plain data only and executes nothing.
        data = yaml.load(text, Loader=_YamlLoader)
    except RecursionError as error:
        raise yaml.YAMLError(_too_deep()) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # PyYAML raises these for numbers of thousands of digits, and for values that do not match their !!tag.
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
            raise yaml.YAMLError("it has a number with more digits than settings may have")
        level = [each for group in groups for each in (group.values() if isinstance(group, Mapping) else group)]
    if level:
        raise yaml.YAMLError(_too_deep())


def _too_deep() -> str:
    return f"its groups are nested deeper than the {MOST_DEPTH} levels that settings may have"


def read_yaml(text: str, source: str) -> dict[str, Any]:
    """Return the mapping in YAML `text`. Raises ConfigError, naming `source`, if it is not a mapping in YAML."""
    try:
        data = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source} must be a mapping of configuration keys, but is a {type(data).__name__}")
    return data


def read_text(path: Path) -> str:
    """Return the text of a settings file. Raises ConfigError if it cannot be read."""
    try:
        return read_regular(path, MOST_BYTES).decode()
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error


def to_yaml(data: Mapping[str, Any]) -> str:
    """Format plain data as YAML text, in the order of its keys."""
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)


def to_explained_yaml(settings: BaseModel) -> str:
    """Format settings as YAML text for editing, with descriptions as comments, and groups in lists on one line each."""
    return "".join(f"{line}\n" for line in _explain_settings(settings))


def _explain_settings(settings: BaseModel) -> Iterator[str]:
    data = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        if name not in data:
            continue
        value, plain, comment = (
            getattr(settings, name),
            data[name],
            f"  # {field.description}" * bool(field.description),
        )
        if isinstance(plain, dict):
            yield f"{name}:{comment}"
            yield from (f"  {line}" for line in _explain_settings(value))
        elif are_groups(plain) and plain:
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
