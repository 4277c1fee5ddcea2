"""Read pickles from untrusted files without importing or calling anything that a file names.

`PlainUnpickler` is the standard library's unpickler written in Python, limited to the instructions of plain data. Names
are not looked up, and calls return `Placeholder`s unless a subclass handles the name. The version in C,
`pickle.Unpickler`, can only intercept names, and short pickles can harm it in other ways: a memo index of 2³¹ reserves
32 GB; a string that claims 10 GB reserves 10 GB; and hashing a tuple used as a key never ends if it contains its
predecessor twice, nested 200 times, or crashes if it is a million levels deep. Here the memo is a dictionary, strings
are read before they are stored, and keys are never tuples.
"""

import pickle
import pickletools
import struct
import warnings
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from math import prod
from typing import Any, NamedTuple, Never

import numpy as np

from alae_core.errors import CheckpointError

#: the exceptions of the standard library for a file that is not a pickle, or a damaged one
DAMAGE = (
    *(pickle.UnpicklingError, struct.error, EOFError, AttributeError, ValueError),
    *(LookupError, TypeError, OverflowError, MemoryError),
)
#: instructions that make numbers, text, containers and objects, or move them between the stack and the memo
_ALLOWED = (
    *("PROTO", "FRAME", "MARK", "STOP", "POP", "POP_MARK", "DUP", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    *("GET", "BINGET", "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2"),
    *("LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND", "APPENDS"),
    *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS", "FROZENSET", "GLOBAL", "STACK_GLOBAL"),
    *("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD", "BINPERSID"),
)

# Any, because the type stubs lack its methods.
_Unpickler: Any = vars(pickle)["_Unpickler"]


class PickleError(CheckpointError):
    """A pickle is damaged, or holds more than plain data."""


class Name(NamedTuple):
    """The name of a class or function in a pickle."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Placeholder:
    """Replaces an object that is not plain data; `name` is the name of its class or function."""

    name: str

    # A pickle may fill the object with items, which are ignored.
    def append(self, item: Any) -> None:
        """Ignore an item."""

    def extend(self, items: Any) -> None:
        """Ignore items."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class PlainDict(dict[Any, Any]):
    """A dictionary that ignores entries unless the key is text, a number or None: hashing other keys may never end.

    Keys of bytes, as of a file of Python 2 that was written again, become text.
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        key = key.decode("latin-1") if isinstance(key, bytes) else key
        if isinstance(key, (str, int, float, type(None))):
            super().__setitem__(key, value)


class PlainUnpickler(_Unpickler):
    """Reads one pickle from the current position of `file`, and leaves the position at its end.

    `load` raises PickleError, or one of `DAMAGE`, if it cannot be read. Sets become lists, byte arrays become bytes.
    """

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin-1")

    def call(self, name: Any, arguments: Any) -> Any:
        """Return the value of a call of `name`, a `Name` unless the file is hostile. Subclasses handle known names."""
        # Only names are formatted: formatting nested lists may never end.
        return Placeholder(str(name) if isinstance(name, Name) else "an object")

    def build(self, value: Any, state: Any) -> Any:
        """Return `value` after setting its state; by default the state is ignored."""
        return value

    def find_class(self, module: str, name: str) -> Any:
        """Return the name itself, without looking it up."""
        return Name(module, name)

    # ---- overridden instructions, by the names of their methods in the standard library ----

    def load_reduce(self) -> None:  # noqa: D102
        arguments = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], arguments)

    def load_newobj(self) -> None:  # noqa: D102
        self.stack.pop()
        self.stack[-1] = PlainUnpickler.call(self, self.stack[-1], ())

    def load_newobj_ex(self) -> None:  # noqa: D102
        self.stack.pop()
        self.load_newobj()

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.stack.append(PlainUnpickler.call(self, klass, ()))

    def load_build(self) -> None:  # noqa: D102
        state = self.stack.pop()
        self.stack[-1] = self.build(self.stack[-1], state)

    def load_empty_dictionary(self) -> None:  # noqa: D102
        self.stack.append(PlainDict())

    def load_dict(self) -> None:  # noqa: D102
        items, found = self.pop_mark(), PlainDict()
        for key, value in zip(items[::2], items[1::2], strict=True):
            found[key] = value
        self.stack.append(found)

    load_bytearray8 = _Unpickler.load_binbytes8
    load_empty_set = _Unpickler.load_empty_list
    load_additems = _Unpickler.load_appends
    load_frozenset = _Unpickler.load_list


def _refuse(instruction: str, _: PlainUnpickler) -> Never:
    raise PickleError(f"it holds the pickle instruction {instruction}, which plain data does not need")


# The standard library finds methods in this table, so overriding them alone would change nothing.
PlainUnpickler.dispatch = {
    ord(opcode.code): getattr(PlainUnpickler, _Unpickler.dispatch[ord(opcode.code)].__name__)
    if opcode.name in _ALLOWED
    else partial(_refuse, opcode.name)
    for opcode in pickletools.opcodes
}


def read_pickled_arrays(content: bytes, dtype: str = "f4") -> Any:
    """Read a pickle of plain data and NumPy arrays of `dtype`, float32 ("f4") or bytes ("u1"); they are read-only.

    Raises PickleError if it is damaged or has arrays of another dtype.
    """
    try:
        with warnings.catch_warnings():
            # Python warns about unknown escapes in damaged text.
            warnings.simplefilter("ignore")
            return _ArrayUnpickler(BytesIO(content), dtype).load()
    except PickleError:
        raise
    except DAMAGE as error:
        raise PickleError(f"it is damaged: {error}") from error


class _ArrayUnpickler(PlainUnpickler):
    """Reads NumPy's pickles, which call `_reconstruct` for an empty array and then set its shape, dtype and bytes."""

    _ARRAY, _DTYPE = Name("numpy", "ndarray"), Name("numpy", "dtype")

    def __init__(self, file: Any, dtype: str) -> None:
        super().__init__(file)
        self._dtype = np.dtype(dtype)

    def call(self, name: Any, arguments: Any) -> Any:
        match str(name) if isinstance(name, Name) else "", arguments:
            case "numpy.dtype", (str(code), *_) if code == self._dtype.str[1:]:
                return self._DTYPE
            case "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct", (self._ARRAY, *_):
                return self._ARRAY
            # Python 3 encodes bytes like this for protocols before 3, which have none.
            case "_codecs.encode", (str(text), "latin1") if self._dtype == np.uint8:
                return text.encode("latin-1")
            case _:
                return super().call(name, arguments)

    def build(self, value: Any, state: Any) -> Any:
        match value, state:
            case self._DTYPE, (_, str(order), *_) if order == self._dtype.str[0]:
                return value
            # Python 2 pickled bytes as text.
            case self._ARRAY, (_, tuple(shape), self._DTYPE, 0, bytes(content) | str(content)):
                if len(shape) > 8 or not all(isinstance(length, int) and 0 <= length < 2**31 for length in shape):
                    raise PickleError("the shape of an array is not a tuple of at most eight lengths")
                content = content.encode("latin-1") if isinstance(content, str) else content
                if len(content) != self._dtype.itemsize * prod(shape):
                    raise PickleError(f"an array of shape {shape} has {len(content):,} bytes")
                return np.frombuffer(content, self._dtype).reshape(shape)
            case _:
                raise PickleError(f"it holds something other than arrays of {self._dtype}")
