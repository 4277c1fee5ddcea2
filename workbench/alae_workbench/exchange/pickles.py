"""Reading pickles without trust: no name in one is ever looked up.

A pickle is a program for a small machine. Its instructions are taken apart by `pickletools`, as data, and carried out
here; there is no instruction that imports or calls. What the file names stays a name, and whatever a name is "called"
with becomes a `Placeholder`. A format says in a class derived from `Machine` what few names its values are made of.
"""

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from alae_core.errors import CheckpointError

#: what the standard library raises for a pickle that is none or damaged
DAMAGE = (struct.error, EOFError, ValueError, LookupError, TypeError, OverflowError, MemoryError)


class PickleError(CheckpointError):
    """A pickle is cut short, or is not plain data."""


class Name(NamedTuple):
    """A class or function that the file mentions."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Placeholder:
    """What stands where the file has an object of a class that is neither a tensor nor a container."""

    of: str


class Source(Protocol):
    """What a pickle is read from: a file, or bytes in memory."""

    def read(self, size: int = ..., /) -> bytes:
        """That many bytes, or those there are."""

    def readline(self) -> bytes:
        """The bytes up to the end of the line."""


class Machine:
    """Carries out one pickle from where `source` stands, and leaves it after its end."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What the pickle holds. Raises PickleError, or one of DAMAGE, where it cannot be read."""
        # Nothing is skipped: an instruction that is not known ends the reading.
        for opcode, argument, _ in pickletools.genops(self.source):  # type: ignore[arg-type]
            name = opcode.name
            if name == "STOP":
                return self.stack.pop()
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name]())
            elif step := getattr(self, f"_{name.lower()}", None):
                step(argument)
            else:
                raise PickleError(f"it holds the pickle instruction {name}, which no tensor or container needs")
        raise PickleError("it is cut short: a pickle in it does not end")

    # ---- the stack -----------------------------------------------------------------------------------------------

    def _proto(self, version: int) -> None:
        pass

    _frame = _proto

    def _mark(self, _: None) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def _pop(self, _: None) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._since_mark()

    def _pop_mark(self, _: None) -> None:
        self._since_mark()

    def _dup(self, _: None) -> None:
        self.stack.append(self.stack[-1])

    def _put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: None) -> None:
        self._put(len(self.memo))

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    _binget = _long_binget = _get

    # ---- containers ----------------------------------------------------------------------------------------------

    def _tuple(self, _: None) -> None:
        items = self._since_mark()
        self.stack.append(tuple(items))

    def _tuple1(self, _: None) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def _tuple2(self, _: None) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self, _: None) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _list(self, _: None) -> None:
        items = self._since_mark()
        self.stack.append(items)

    def _dict(self, _: None) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._fill(items)

    def _append(self, _: None) -> None:
        item = self.stack.pop()
        self._extend([item])

    def _appends(self, _: None) -> None:
        self._extend(self._since_mark())

    # Nobody asks for sets: their members may stay in the order of the file.
    _additems = _appends

    def _frozenset(self, _: None) -> None:
        self._list(_)

    def _setitem(self, _: None) -> None:
        items = self.stack[-2:]
        del self.stack[-2:]
        self._fill(items)

    def _setitems(self, _: None) -> None:
        self._fill(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _fill(self, items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(self.stack[-1], dict) and isinstance(key, (str, int, float, type(None))):
                self.stack[-1][key] = value

    # ---- names, which stay names ---------------------------------------------------------------------------------

    def _global(self, name: str) -> None:
        self.stack.append(Name(*name.split(" ", 1)))

    def _stack_global(self, _: None) -> None:
        module, name = self.stack[-2:]
        if not (isinstance(module, str) and isinstance(name, str)):
            raise PickleError("a name in it is no text")
        self.stack[-2:] = [Name(module, name)]

    def _reduce(self, _: None) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], arguments)

    def _newobj(self, _: None) -> None:
        self.stack.pop()
        self.stack[-1] = placeholder(self.stack[-1])

    def _newobj_ex(self, _: None) -> None:
        self.stack.pop()
        self._newobj(_)

    def _obj(self, _: None) -> None:
        items = self._since_mark()
        self.stack.append(placeholder(items[0]))

    def _inst(self, name: str) -> None:
        self._since_mark()
        self.stack.append(Placeholder(name))

    def _build(self, _: None) -> None:
        # The state of a placeholder, or PyTorch's note of versions on a dictionary.
        self.stack.pop()

    def call(self, name: Any, arguments: Any) -> Any:
        """What stands for the name, "called" with the arguments: a placeholder, but for what a format is made of."""
        return placeholder(name)


def placeholder(of: Any) -> Placeholder:
    """What stands for an object that is made by `of`."""
    # Only names are put into words: the text of a list that holds itself many times over has no end.
    return Placeholder(str(of) if isinstance(of, Name) else "an object")


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,
}
#: instructions whose argument is the value itself
_LITERALS = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
