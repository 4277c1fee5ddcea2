"""Text of error messages: one printable line, values shortened to fit it."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from reprlib import Repr

#: maximum length of a message, in characters; longer messages lose their middle, because the advice comes last
MOST_CHARACTERS = 1000


def one_line(text: str) -> str:
    """Return `text` as one line of printable characters; escape others, and omit the middle of long text."""
    line = re.sub(r"\s*[\r\n]\s*", " ", _cut(text).strip())
    return _cut("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line))


def _cut(text: str) -> str:
    half = MOST_CHARACTERS // 2 - 1
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]}…{text[-half:]}"


def short_repr(value: object) -> str:
    """Return `repr(value)`, shortened to fit one line."""
    return _SHORT.repr(value)


def suggest(word: str, choices: Sequence[str], prefix: Sequence[str] = ()) -> str:
    """Return "; did you mean 'x'?" for the choice most similar to `word`, or "" if none is similar.

    `prefix` holds the keys that precede the choice in the message, such as those of an enclosing group of settings.
    """
    close = get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"; did you mean {'.'.join([*prefix, close[0]])!r}?" if close else ""


class _ShortRepr(Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 80

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to print integers of thousands of digits.
        return repr(x) if x.bit_length() < 256 else f"a number of about {x.bit_length() * 3 // 10:,} digits"


_SHORT = _ShortRepr()


def count_things(count: int, thing: str) -> str:
    """Format a number of things, such as "1 image" or "2,000 images"."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
