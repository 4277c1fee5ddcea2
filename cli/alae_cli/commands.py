"""Typer commands that report a wrong argument by its flag, `--truncation`, not `psi`, and load plug-ins."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from alae_cli.options import BackendName, Plugins
from alae_core import AlaeError, ArgumentError


class _WithFlags:
    """What commands, and groups with options of their own, share: parameters named like the library's arguments."""

    params: list[Any]

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises AlaeError, with the flag, instead of an ArgumentError about one of its parameters."""
        try:
            return super().invoke(ctx)  # type: ignore[misc]
        except ArgumentError as error:
            raise AlaeError(f"{self._flag_of(error.argument)} {error.problem}") from error

    def _flag_of(self, argument: str) -> str:
        """Return the flag or metavar of `argument`, or its name if it is not a parameter of the command."""
        for parameter in self.params:
            if parameter.name == argument:
                return max(parameter.opts, key=len) if parameter.param_type_name == "option" else argument.upper()
        return argument


class Command(_WithFlags, TyperCommand):
    """A command."""


class _Group(_WithFlags, TyperGroup):
    """A group of commands."""


class Commands(typer.Typer):
    """A group of `Command`s. Those with the shared option --backend also have the option --plugin."""

    def __init__(self, **settings: Any) -> None:
        defaults: dict[str, Any] = {
            "cls": _Group,
            "no_args_is_help": True,
            "add_completion": False,
            "pretty_exceptions_enable": False,
        }
        super().__init__(**defaults | settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """See `typer.Typer.command`."""
        register = super().command(name, **{"cls": Command, **settings})
        return lambda function: register(_add_plugins(function))


def _add_plugins(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --plugin to a command with the shared option --backend."""
    parameters = signature(function).parameters
    if "backend" not in parameters or parameters["backend"].annotation is not BackendName:
        return function

    @wraps(function)
    def call(*, plugins: Plugins = None, **arguments: Any) -> Any:
        if plugins:
            from alae_core import load_plugin  # not at the top: help does not need it

            for plugin in plugins:
                load_plugin(plugin)
        return function(**arguments)

    added = Parameter("plugins", Parameter.KEYWORD_ONLY, default=None, annotation=Plugins)
    call.__signature__ = signature(function).replace(parameters=[*parameters.values(), added])  # type: ignore[attr-defined]
    call.__annotations__ = {**function.__annotations__, "plugins": Plugins}
    return call
