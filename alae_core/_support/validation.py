"""Plain data as typed, frozen settings, with errors that name every mistake."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alae_core._support.text import short_repr, suggest
from alae_core.errors import ConfigError

#: how many problems of one configuration a message lists
_MOST_PROBLEMS = 5

#: positive integer, at most 10¹²
Count = Annotated[int, Field(gt=0, le=10**12)]


class Frozen(BaseModel):
    """Base of every group of settings."""

    # Without allow_inf_nan=False a `.nan` learning rate would pass every bound.
    # Pydantic's own message writes a whole input out before it cuts it.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


Settings = TypeVar("Settings", bound=Frozen)


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
