"""Reading what `torch.save` wrote, without PyTorch and without trust: no name in the file is ever looked up.

Its pickles are read as `pickles` says; three names are known, those that tensors and dictionaries are made of.
"""

import mmap
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np

from alae_core._support.files import open_regular
from alae_workbench.exchange.pickles import DAMAGE, Machine, Name, PickleError, Source, placeholder

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
_DAMAGE = (*DAMAGE, zipfile.BadZipFile, RuntimeError)
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
#: NumPy's own; and what fits a signed machine word
_MOST_AXES, _MOST_NUMBERS = 64, 2**63 - 1


class TorchFileError(PickleError):
    """A file is not what `torch.save` writes, is cut short, or is not plain data."""


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
    except PickleError as error:
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


class _Machine(Machine):
    """A pickle of tensors, whose numbers lie in storages outside it."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.storages: dict[str, Storage] = {}

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

    def call(self, name: Any, arguments: Any) -> Any:
        """See `Machine`."""
        match str(name) if isinstance(name, Name) else "", arguments:
            case "collections.OrderedDict", ():
                return {}
            case "torch._utils._rebuild_tensor_v2", (Storage() as storage, offset, shape, strides, *_):
                return Tensor(storage, _lengths((offset,))[0], _lengths(shape), _lengths(strides))
            case "torch._utils._rebuild_parameter", (Tensor() as tensor, *_):
                return tensor
            case _:
                return placeholder(name)


def _lengths(values: Any) -> tuple[int, ...]:
    # Bounded, so that no product of them takes long.
    if not isinstance(values, tuple) or len(values) > _MOST_AXES:
        raise TorchFileError("a tensor's shape or strides are no row of numbers")
    if not all(isinstance(value, int) and 0 <= value <= _MOST_NUMBERS for value in values):
        raise TorchFileError("a tensor's offset, shape or strides are no counts")
    return values
