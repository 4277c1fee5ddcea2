"""Typer commands that report a wrong argument by its flag: `--truncation`, not `psi`."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from alae_core import AlaeError, ArgumentError


class Command(TyperCommand):
    """A command with parameters named like the library's arguments."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command. Raises AlaeError, with the flag, instead of an ArgumentError about one of its parameters."""
        try:
            return super().invoke(ctx)
        except ArgumentError as error:
            raise AlaeError(f"{self._flag_of(error.argument)} {error.problem}") from error

    def _flag_of(self, argument: str) -> str:
        """Return the flag or metavar of `argument`, or its name if it is not a parameter of the command."""
        for parameter in self.params:
            if parameter.name == argument:
                return max(parameter.opts, key=len) if parameter.param_type_name == "option" else argument.upper()
        return argument


class Commands(typer.Typer):
    """A group of `Command`s."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """See `typer.Typer.command`."""
        return super().command(name, **{"cls": Command, **settings})
