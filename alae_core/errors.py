"""The errors that are a user's to mend: one line each, naming what was wrong and what would be right."""

from alae_core._support.text import one_line


class AlaeError(ValueError):
    """Base of every error a user can mend; the command line prints it without a traceback and exits with code 2.

    Its message is one line of printable characters, not more than MOST_CHARACTERS, whatever values it names.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ArgumentError(AlaeError):
    """An argument of a function has a value it cannot have.

    The message starts with the argument's name; the command line puts the flag that gave it in its place.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument} {problem}")
        self.argument, self.problem = argument, one_line(problem)


class ConfigError(AlaeError):
    """A configuration value, key or combination is not allowed."""


class BackendError(AlaeError):
    """A backend or device is unknown, not installed, or cannot be selected any more in this process."""


class CheckpointError(AlaeError):
    """A checkpoint is missing, damaged, or does not fit the model."""
