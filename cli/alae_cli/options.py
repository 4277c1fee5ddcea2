"""Options that several commands share, and what they turn into."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from alae_core import AlaeError, ArgumentError
from alae_core._support.text import short_repr

Value = TypeVar("Value")
_KINDS: dict[Any, str] = {int: "a whole number", float: "a number"}

Model = Annotated[Path, typer.Argument(help="a run of `alae train`, or one of its checkpoints", show_default=False)]
Averaged = Annotated[
    bool,
    typer.Option(
        "--averaged/--raw",
        help="the networks' running averages, which lag in short runs (average_halflife), or the networks as trained",
    ),
]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend",
        "-b",
        help="jax, torch, tensorflow, or a plug-in's name; by default KERAS_BACKEND, or the first installed",
        show_default=False,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, gpu, gpu:1, …; by default the accelerator where there is one", show_default=False),
]
CropName = Annotated[
    Literal["ffhq", "celeba"],
    typer.Option(
        help="how much around a face is shown: as in FFHQ and CelebA-HQ, or closer, as in the authors' CelebA"
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="KEY=VALUE replaces any configuration field, such as adam.learning_rate=1e-3", show_default=False
    ),
]


def image_count(text: str) -> int:
    """A number of images as a person writes it: 20000, 600k or 2M."""
    digits, factor = (text[:-1], {"k": 1_000, "m": 1_000_000}[text[-1].lower()]) if text[-1:] in "kKmM" else (text, 1)
    try:
        return round(float(digits) * factor)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} should be a number such as 20000, 600k or 2M") from error


Images = Annotated[
    int | None,
    typer.Option(
        parser=image_count,
        metavar="N",
        help="Training length in images, such as 600k or 2M, only for a configuration made for the data.",
        show_default="1M",
    ),
]


def parse_list(argument: str, texts: Sequence[str] | None, convert: Callable[[str], Value]) -> list[Value]:
    """Split the values of an option or argument at commas; `["1,2", "3"]` becomes `[1, 2, 3]` if `convert` is int.

    Args:
        argument: the parameter's Python name, for messages.
        texts: the values as typed, one for each time that the option was given; None counts as none.
        convert: makes a value from its text; raises ValueError if it cannot.

    Raises ArgumentError if a value is empty or cannot be converted.
    """
    values = []
    for text in texts or ():
        for word in map(str.strip, text.split(",")):
            if not word:
                raise ArgumentError(argument, f"is {text!r}: a value is empty; separate values by single commas")
            try:
                values.append(convert(word))
            except AlaeError:
                raise
            except ValueError as error:
                raise ArgumentError(argument, f"is {text!r}: {word!r} is not {_KINDS.get(convert, 'valid')}") from error
    return values


def parse_overrides(assignments: list[str] | None) -> dict[str, Any]:
    """`["a.b=1"]` as `{"a.b": 1}`; values are YAML. Raises AlaeError for one without `=` or with broken YAML."""
    import yaml

    from alae_core._support.yaml_text import parse_yaml

    overrides = {}
    for assignment in assignments or []:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise AlaeError(f"--set {short_repr(assignment)} must be KEY=VALUE, such as adam.learning_rate=1e-3")
        try:
            overrides[key] = parse_yaml(value)
        except yaml.YAMLError as error:
            raise AlaeError(f"--set {short_repr(assignment)}: the value is not YAML: {error}") from error
    return overrides


def require_ending(out: Path, *endings: str) -> None:
    """Raise AlaeError unless `out` ends in one of the endings."""
    if out.suffix not in endings:
        raise AlaeError(f"--out {out} must end in {' or '.join(endings)}")
