"""The command line's entry point: the commands, and the handling of user errors."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from alae_cli.ablate import ablate
from alae_cli.commands import Commands
from alae_cli.compare import compare
from alae_cli.conform import conform
from alae_cli.data import data
from alae_cli.demo import demo
from alae_cli.directions import directions
from alae_cli.doctor import doctor
from alae_cli.edit import edit
from alae_cli.encode import encode
from alae_cli.evaluate import evaluate
from alae_cli.exit_codes import REPORTED, describe_exit_codes, exit_code_of
from alae_cli.export import export
from alae_cli.figure import figure
from alae_cli.generate import generate
from alae_cli.import_official import import_official
from alae_cli.invert import invert
from alae_cli.log import format_error, warnings_as_events
from alae_cli.measures import measures
from alae_cli.new import new
from alae_cli.presets import presets
from alae_cli.push import push
from alae_cli.reconstruct import reconstruct
from alae_cli.signals import set_format, wait_if_ending
from alae_cli.train import train
from alae_core._support.unused_imports import skip_unused_imports

#: base class of typer's usage errors; typer does not export it
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

# The beginning of typer's message about arguments that a command does not take, and characters of it that are shown.
_UNEXPECTED, _MOST_CHARACTERS = "Got unexpected extra argument", 200

# with --install-completion and --show-completion
app = Commands(name="alae", add_completion=True)
_PANELS: dict[str, list[Any]] = {
    "Train": [data, presets, new, train, ablate],
    "Use and edit models": [
        generate,
        reconstruct,
        encode,
        edit,
        invert,
        directions,
        figure,
        demo,
        export,
        push,
        import_official,
    ],
    "Measure models": [evaluate, compare, measures],
    "Check backends": [doctor, conform],
}
for _panel, _entries in _PANELS.items():
    for _entry in _entries:
        if isinstance(_entry, Commands):
            app.add_typer(_entry, rich_help_panel=_panel)
        else:
            epilog = describe_exit_codes() if _entry is train else None
            app.command(rich_help_panel=_panel, epilog=epilog)(_entry)


def _print_version(wanted: bool) -> None:
    if wanted:
        from alae_core import __version__  # not at the top: it would slow every command down

        print(f"alae {__version__}")
        raise typer.Exit


@app.callback(help="Train, inspect and measure Adversarial Latent Autoencoders on JAX, PyTorch or TensorFlow.")
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line. An error that the user can fix is one line on standard error; see `exit_codes`."""
    for stream in (sys.stdout, sys.stderr):
        # Characters that a terminal cannot show become question marks instead of an error.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    set_format(format_error)
    skip_unused_imports()
    try:
        with warnings_as_events():
            code = app(standalone_mode=False)
        # Here, so that a full disk is reported.
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:
        # The reader of the output, such as `head`, needs no more.
        sys.exit(1)
    except (_UsageError, *REPORTED) as error:
        wait_if_ending()
        code = exit_code_of(error)
        sys.stderr.write(format_error(_explain(error), code))
        sys.exit(code)


def _explain(error: Exception) -> str:
    if isinstance(error, _UsageError):
        return _explain_usage(error)
    if isinstance(error, OSError):
        # Unwritable directories and full disks are also errors that the user can fix.
        return f"{error.filename or 'input/output'}: {error.strerror or error}{_advise_cache(error)}"
    if isinstance(error, MemoryError):
        return f"not enough memory: {error or 'ask for fewer images or smaller networks'}"
    return str(error)


def _advise_cache(error: OSError) -> str:
    """Return how to choose another cache, if the error is about a file in it."""
    from alae_core._support.cache import cache_directory  # not at the top: it would slow every command down

    inside = error.filename and Path(os.fsdecode(error.filename)).absolute().is_relative_to(
        cache_directory().absolute()
    )
    return "; set ALAE_CACHE to a directory that can be written" if inside else ""


def _explain_usage(error: Any) -> str:
    """Return a message with the part that cannot be parsed, the value as typed, and where to find help."""
    text = error.format_message()
    if isinstance(error, typer.BadParameter) and error.param and error.message:
        message = error.message.removeprefix("Value error, ")
        value = f" is {error.__cause__.errors()[0]['input']}" if isinstance(error.__cause__, ValidationError) else ""
        text = f"{max(error.param.opts, key=len)}{value}: {message[0].lower()}{message[1:]}"
    if text.startswith(_UNEXPECTED) and len(text) > _MOST_CHARACTERS:
        # A shell replaces photos/*.png by all names that match.
        text = f"{text[:_MOST_CHARACTERS]}…: give the folder of the files, or one of them"
    command = error.ctx.command_path if error.ctx else "alae"
    return f"{text.rstrip('.')}; see {command} --help"
