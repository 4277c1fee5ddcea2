"""Reading what `torch.save` wrote, without PyTorch and without trust: no name in the file is ever looked up.

A pickle is a program for a small machine. Its instructions are taken apart by `pickletools`, as data, and carried out
here; there is no instruction that imports or calls. What the file names stays a name, and whatever a name is "called"
with becomes a `Placeholder`, but for the three names that tensors and dictionaries are made of.
"""

import mmap
import pickle
import pickletools
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

import numpy as np

from alae_core.errors import CheckpointError
from alae_core.files import open_regular

_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
#: what the standard library raises for a file that is not what it claims to be; RuntimeError where it is encrypted
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, LookupError, TypeError, OverflowError),
    *(MemoryError, RuntimeError),
)
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
#: NumPy's own; and what fits a signed machine word
_MOST_AXES, _MOST_NUMBERS = 64, 2**63 - 1


class TorchFileError(CheckpointError):
    """A file is not what `torch.save` writes, is cut short, or is not plain data."""


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


class Storage(NamedTuple):
    """Where the numbers of tensors lie: how the file calls it, their type, and how many there are."""

    key: str
    dtype: str
    elements: int


#: the bytes of the storage of that key
ReadStorage = Callable[[str], bytes]


@dataclass(frozen=True)
class Tensor:
    """A tensor whose numbers have not been read yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """What its numbers take in memory."""
        return prod(self.shape) * np.dtype(self.storage.dtype).itemsize

    def array(self, read: ReadStorage) -> np.ndarray:
        """Its numbers, a copy. Raises TorchFileError where they do not lie within the storage."""
        count, (key, dtype, elements) = prod(self.shape), self.storage
        reach = self.offset + sum(
            (length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True)
        )
        # One number may stand for many, by a stride of 0: an array that large is nothing torch.save has been given.
        if count > elements or (count and reach >= elements):
            raise TorchFileError(f"a tensor of shape {self.shape} needs more than its storage of {elements} numbers")
        if not count:
            return np.empty(self.shape, dtype)
        content, size = read(key), np.dtype(dtype).itemsize
        if len(content) != elements * size:
            raise TorchFileError(f"the storage {key!r} should have {elements} numbers, but has {len(content)} bytes")
        numbers = np.frombuffer(content, dtype)[self.offset :]
        steps = [stride * size for stride in self.strides]
        return np.array(np.lib.stride_tricks.as_strided(numbers, self.shape, steps, writeable=False))


def read_torch_file(path: Path) -> tuple[Any, Callable[[Tensor], np.ndarray]]:
    """The object that was saved, and what reads a `Tensor` in it.

    Both serializations are known: the zip archive (PyTorch 1.6 and later) and the row of pickles before it.

    Raises:
        TorchFileError: it is neither, is cut short, or needs more than containers, numbers and tensors. Reading a
            tensor raises it too.
    """
    with _told(path), warnings.catch_warnings():
        # A damaged text in it may hold what Python has come to warn about, such as an unknown escape.
        warnings.simplefilter("ignore")
        content = _mapped(path)
        is_zip = zipfile.is_zipfile(cast(IO[bytes], content))
        content.seek(0)
        saved, read = _read_zip(content) if is_zip else _read_legacy(content)

    def numbers(tensor: Tensor) -> np.ndarray:
        with _told(path):
            return tensor.array(read)

    return saved, numbers


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except TorchFileError as error:
        raise TorchFileError(f"{path} cannot be read: {error}") from error
    except OSError as error:
        raise TorchFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise TorchFileError(f"{path} is damaged, or no file of torch.save: {error}") from error


class _Mapped(mmap.mmap):
    """A file as bytes in memory, never read beyond its end, whatever length it claims."""

    def seekable(self) -> bool:
        """What `zipfile` asks, and a map of Python before 3.13 cannot answer."""
        return True


def _mapped(path: Path) -> _Mapped:
    with open_regular(path) as file:
        return _Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)


def _read_zip(content: _Mapped) -> tuple[Any, ReadStorage]:
    # Opened once: its list of members may be as long as the file.
    archive = zipfile.ZipFile(cast(IO[bytes], content))
    names = archive.namelist()
    pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise TorchFileError("the archive has no data.pkl: it is not a file of torch.save")
    root = pickles[0].partition("/")[0]
    if f"{root}/byteorder" in names and _stored(archive, content, f"{root}/byteorder") != b"little":
        raise TorchFileError("its numbers are big-endian, which only little-endian ones can be read")
    saved = _Machine(BytesIO(_stored(archive, content, pickles[0]))).run()
    return saved, lambda key: _stored(archive, content, f"{root}/data/{key}")


def _stored(archive: zipfile.ZipFile, content: _Mapped, name: str) -> bytes:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        # torch.save never compresses, and what is compressed may be of any size.
        raise TorchFileError(f"{name!r} is compressed, which torch.save does not do")
    if entry.file_size > content.size():
        # Memory would be reserved for all of it before a byte is read.
        raise TorchFileError(f"it is cut short: {name!r} should have {entry.file_size} bytes")
    return archive.read(name)


def _read_legacy(content: _Mapped) -> tuple[Any, ReadStorage]:
    if content[:1] != pickle.PROTO or _Machine(content).run() != _LEGACY_MAGIC:
        raise TorchFileError("it is not a file of torch.save")
    _, system = _Machine(content).run(), _Machine(content).run()
    if not (isinstance(system, dict) and system.get("little_endian")):
        raise TorchFileError("its numbers are big-endian, which only little-endian ones can be read")
    machine = _Machine(content)
    saved, order = machine.run(), _Machine(content).run()
    storages = {}
    for key in order if isinstance(order, list) else ():
        # Only text is looked up: the hash of a tuple that holds itself many times over has no end.
        _, dtype, elements = machine.storages[key if isinstance(key, str) else ""]
        claimed, size = content.read(8), np.dtype(dtype).itemsize * elements
        if claimed != elements.to_bytes(8, "little") or content.size() - content.tell() < size:
            raise TorchFileError(f"it is cut short: the storage {key!r} should have {elements} numbers")
        storages[key] = content.read(size)
    return saved, storages.__getitem__


class _Source(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...

    def readline(self) -> bytes: ...


class _Machine:
    """Carries out one pickle from where `source` stands, and leaves it after its end."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self) -> Any:
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
                raise TorchFileError(f"it holds the pickle instruction {name}, which no tensor or container needs")
        raise TorchFileError("it is cut short: a pickle in it does not end")

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
            raise TorchFileError("a name in it is no text")
        self.stack[-2:] = [Name(module, name)]

    def _reduce(self, _: None) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    def _newobj(self, _: None) -> None:
        self.stack.pop()
        self.stack[-1] = _placeholder(self.stack[-1])

    def _newobj_ex(self, _: None) -> None:
        self.stack.pop()
        self._newobj(_)

    def _obj(self, _: None) -> None:
        items = self._since_mark()
        self.stack.append(_placeholder(items[0]))

    def _inst(self, name: str) -> None:
        self._since_mark()
        self.stack.append(Placeholder(name))

    def _build(self, _: None) -> None:
        # The state of a placeholder, or PyTorch's note of versions on a dictionary.
        self.stack.pop()

    def _binpersid(self, _: None) -> None:
        match self.stack.pop():
            case ("storage", Name(name=kind), str(key), _, int(elements), *view) if not any(view):
                if kind not in _DTYPES or not 0 <= elements <= _MOST_NUMBERS:
                    raise TorchFileError(f"it holds {kind!r} of {elements:.4g} numbers, which only PyTorch reads")
                self.storages[key] = Storage(key, _DTYPES[kind], elements)
                self.stack.append(self.storages[key])
            case ("module", Name() as name, *_):
                self.stack.append(name)
            case _:
                raise TorchFileError("it refers to something that is no storage of numbers")

    @staticmethod
    def _call(name: Any, arguments: Any) -> Any:
        match str(name) if isinstance(name, Name) else "", arguments:
            case "collections.OrderedDict", ():
                return {}
            case "torch._utils._rebuild_tensor_v2", (Storage() as storage, offset, shape, strides, *_):
                return Tensor(storage, _lengths((offset,))[0], _lengths(shape), _lengths(strides))
            case "torch._utils._rebuild_parameter", (Tensor() as tensor, *_):
                return tensor
            case _:
                return _placeholder(name)


def _placeholder(of: Any) -> Placeholder:
    # Only names are put into words: the text of a list that holds itself many times over has no end.
    return Placeholder(str(of) if isinstance(of, Name) else "an object")


def _lengths(values: Any) -> tuple[int, ...]:
    # Bounded, so that no product of them takes long.
    if not isinstance(values, tuple) or len(values) > _MOST_AXES:
        raise TorchFileError("a tensor's shape or strides are no row of numbers")
    if not all(isinstance(value, int) and 0 <= value <= _MOST_NUMBERS for value in values):
        raise TorchFileError("a tensor's offset, shape or strides are no counts")
    return values


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
