"""The command line's own parser, applied to commands in documents and the Makefile."""

import shlex

import typer

from alae_cli.app import app

COMMAND_GROUP = typer.main.get_command(app)


def parse_command(line):
    """Parse an `alae` command with its options; returns its name, such as "data prepare"."""
    command, names, words = COMMAND_GROUP, [], shlex.split(line)[1:]
    # A group may have options of its own, and be called without a command.
    while words and words[0] in getattr(command, "commands", {}):
        name, *words = words
        names.append(name)
        command = command.commands[name]
    command.make_context(names[-1], list(words))
    return " ".join(names)
