"""The errors that a user can fix. Each message is one line: the problem, then the remedy."""

from collections.abc import Sequence
from typing import Any

from alae_core._support.text import one_line


class AlaeError(ValueError):
    """Base of every error that a user can fix; the command line prints it without a traceback (`alae_cli.exit_codes`).

    The message is one line of printable characters, at most MOST_CHARACTERS long, whatever values it contains.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ArgumentError(AlaeError):
    """The value of a function's argument is not allowed.

    The message starts with the argument's name, which the command line replaces by its flag.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument} {problem}")
        self.argument, self.problem = argument, one_line(problem)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Let other processes raise the error; by default, it would be made of its message alone."""
        return type(self), (self.argument, self.problem)


class ConfigError(AlaeError):
    """A configuration has a key, a value or a combination of values that is not allowed."""


class PluginError(ConfigError):
    """A plug-in with an algorithm, a family of networks or an objective is missing, changed, or cannot be loaded.

    Attributes:
        records: the `PluginRecord`s of plug-ins that were never given on this machine.
    """

    def __init__(self, message: str, records: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.records = tuple(records)


class BackendError(AlaeError):
    """A backend or device is unknown, not installed, or can no longer be selected in this process."""


class PeerError(AlaeError):
    """Another process of a run on several devices was killed, or cannot be reached."""


class CheckpointError(AlaeError):
    """A checkpoint is missing, damaged, or does not fit the model."""


class DivergedError(AlaeError):
    """A loss or weight became NaN or infinite in training."""


class StorageError(AlaeError):
    """A directory can no longer be written: it is full, was removed, or another process writes there."""
