"""Validation of plain data as typed, frozen settings; an error lists every mistake."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alae_core._support.text import short_repr, suggest
from alae_core.errors import ConfigError

#: maximum number of problems that a message lists
_MOST_PROBLEMS = 5

#: positive integer, at most 10¹²
Count = Annotated[int, Field(gt=0, le=10**12)]


class Frozen(BaseModel):
    """Base of every group of settings."""

    # allow_inf_nan: a learning rate of `.nan` would pass every bound. hide_input_in_errors: pydantic formats a whole
    # input before shortening it.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


Settings = TypeVar("Settings", bound=Frozen)


def validate(model: type[Settings], data: Any, source: str, prefix: str = "") -> Settings:
    """Validate plain data as a `model`.

    Args:
        model: the type of settings.
        data: the plain data.
        source: the name of the data in errors, such as a file's path.
        prefix: the dotted key of the data in errors.

    Raises ConfigError if a key is unknown or missing, or a value has the wrong type or is not allowed. The message
    suggests the most similar key.
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
            return f"{'.'.join(parents)} is {short_repr(problem['input'])}, but must be {should}"
        case "missing":
            return f"the key {key!r} is missing"
        case "value_error":
            return f"{key + ': ' if key else ''}{problem['ctx']['error']}"
        case "union_tag_invalid":
            return f"{key}.family is {problem['ctx']['tag']!r}: it must be one of {problem['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return f"the key '{key}.family' is missing"
        case _:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            return f"{key} is {short_repr(problem['input'])}: {message}"


def _locate(location: Sequence[str | int], root: type[BaseModel]) -> tuple[Any, ...]:
    """Return the parts of the key at `location`, then the model that has, or should have, its last part as a field."""
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
            # Pydantic inserts the tag of the alternative that it chose.
            family = parts.pop(0)
            inner = [one for one in inner if get_args(one.model_fields["family"].annotation) == (family,)]
        model = inner[0] if inner else model
    return *key, holder


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in a field's annotation, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
