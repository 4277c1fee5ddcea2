"""Errors about arguments name them as they are typed."""

from typing import Annotated

import pytest
import typer

from alae_cli.commands import Commands
from alae_core import AlaeError, ArgumentError

commands = Commands()


@commands.command()
def refuse(
    file: Annotated[str, typer.Argument()],
    psi: Annotated[float, typer.Option("--truncation")] = 1.0,
    short: Annotated[int, typer.Option("--much-longer", "-m")] = 0,
    raw: Annotated[bool, typer.Option("--averaged/--raw")] = True,
) -> None:
    raise ArgumentError(file, "is wrong")


@commands.command()
def another() -> None:
    pass


@pytest.mark.parametrize(
    ("argument", "typed"),
    [
        ("psi", "--truncation"),
        ("short", "--much-longer"),
        ("raw", "--averaged"),
        ("file", "FILE"),
        ("unknown", "unknown"),
    ],
)
def test_errors_name_an_argument_as_it_is_typed(argument, typed):
    with pytest.raises(AlaeError, match=f"^{typed} is wrong$"):
        commands(["refuse", argument], standalone_mode=False)
