"""The errors that are a user's to mend: one line each, naming what was wrong and what would be right."""

import re
from reprlib import Repr

#: characters of a message at the most; of what is longer the middle is left out, for advice stands at the end
MOST_CHARACTERS = 1000


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


def one_line(text: str) -> str:
    """`text` as one line of printable characters: others escaped, and its middle left out where it is too long."""
    line = re.sub(r"\s*[\r\n]\s*", " ", _cut(text).strip())
    return _cut("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line))


def _cut(text: str) -> str:
    half = MOST_CHARACTERS // 2 - 1
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]}…{text[-half:]}"


def said(value: object) -> str:
    """`value` as a message names it: like its repr, but never made longer than a line is worth."""
    return _BRIEF.repr(value)


class _Brief(Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 80

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write thousands of digits.
        return repr(x) if x.bit_length() < 256 else f"a number of about {x.bit_length() * 3 // 10:,} digits"


_BRIEF = _Brief()
