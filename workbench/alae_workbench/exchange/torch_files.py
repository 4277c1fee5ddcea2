"""Read files of `torch.save` without PyTorch, treating them as untrusted: names in a file are never looked up.

A `PlainUnpickler` reads their pickles and handles three names: those of tensors, parameters and ordered dictionaries.
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
from alae_core._support.text import short_repr
from alae_workbench.data.formats.pickles import DAMAGE, Name, PickleError, PlainDict, PlainUnpickler

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
#: the exceptions of the standard library for a damaged file; RuntimeError for an encrypted archive
_DAMAGE = (*DAMAGE, zipfile.BadZipFile, RuntimeError)
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
#: NumPy's limits, so that no shape overflows or takes long to multiply
_MAX_AXES, _MAX_NUMBERS = 64, 2**63 - 1
#: characters in the name of a storage; PyTorch's have up to 20
_MAX_KEY = 100


class TorchFileError(PickleError):
    """A file was not written by `torch.save`, is truncated, or holds more than plain data."""


class Storage(NamedTuple):
    """A place for the numbers of tensors: its name in the file, their NumPy dtype, and how many there are."""

    key: str
    dtype: str
    elements: int


#: reads the bytes of the storage of that key
ReadStorage = Callable[[str], bytes]


@dataclass(frozen=True)
class Tensor:
    """A tensor before its numbers are read; `offset` and `strides` count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """The size of its numbers in memory."""
        return prod(self.shape) * np.dtype(self.storage.dtype).itemsize

    def array(self, read: ReadStorage) -> np.ndarray:
        """Return a copy of its numbers. Raises TorchFileError if they do not lie within the storage."""
        count, (key, dtype, elements) = prod(self.shape), self.storage
        reach = self.offset + sum(
            (length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True)
        )
        # With a stride of 0, one number is repeated: a small file could claim a huge array.
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
    """Read the object that was saved, and return it with a function that reads the numbers of a `Tensor` in it.

    Both formats of `torch.save` are read: the zip archive (PyTorch 1.6 and later) and the older series of pickles.
    Objects of unknown classes become `Placeholder`s; entries of dictionaries are skipped unless their key is text, a
    number or None.

    Raises:
        TorchFileError: the file cannot be read, or a tensor is not within its storage. The function also raises it.
    """
    with _name_file(path), warnings.catch_warnings():
        # Python warns about unknown escapes in damaged text.
        warnings.simplefilter("ignore")
        content = _map_file(path)
        is_zip = zipfile.is_zipfile(cast(IO[bytes], content))
        content.seek(0)
        saved, read = _read_zip(content) if is_zip else _read_legacy(content)

    def read_tensor(tensor: Tensor) -> np.ndarray:
        with _name_file(path):
            return tensor.array(read)

    return saved, read_tensor


@contextmanager
def _name_file(path: Path) -> Iterator[None]:
    """Turn all errors of reading into TorchFileErrors that name the file."""
    try:
        yield
    except PickleError as error:
        raise TorchFileError(f"{path} cannot be read: {error}") from error
    except OSError as error:
        raise TorchFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise TorchFileError(f"{path} is damaged, or was not written by torch.save: {error}") from error


class _MappedFile(mmap.mmap):
    """A file mapped into memory: a read returns at most the bytes that exist, whatever length is claimed."""

    def seekable(self) -> bool:
        """Always true. `zipfile` needs it; mmap lacks this method before Python 3.13."""
        return True


def _map_file(path: Path) -> _MappedFile:
    with open_regular(path) as file:
        return _MappedFile(file.fileno(), 0, access=mmap.ACCESS_READ)


def _read_zip(content: _MappedFile) -> tuple[Any, ReadStorage]:
    # Open the archive only once: its list of members may be as long as the file.
    archive = zipfile.ZipFile(cast(IO[bytes], content))
    names = archive.namelist()
    pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise TorchFileError("the archive does not have one data.pkl: it was not written by torch.save")
    root = pickles[0].partition("/")[0]
    if f"{root}/byteorder" in names and _read_entry(archive, content, f"{root}/byteorder") != b"little":
        raise TorchFileError("its numbers are big-endian; only little-endian ones can be read")
    saved = _TensorUnpickler(BytesIO(_read_entry(archive, content, pickles[0]))).load()
    return saved, lambda key: _read_entry(archive, content, f"{root}/data/{key}")


def _read_entry(archive: zipfile.ZipFile, content: _MappedFile, name: str) -> bytes:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        # A small compressed entry may expand to any size.
        raise TorchFileError(f"{name!r} is compressed, which torch.save does not do")
    if entry.file_size > content.size():
        # `ZipFile.read` would first reserve memory for the claimed size.
        raise TorchFileError(f"it is truncated: {name!r} should have {entry.file_size} bytes")
    return archive.read(name)


def _read_legacy(content: _MappedFile) -> tuple[Any, ReadStorage]:
    # Five pickles: a magic number, the protocol, the system, the saved object, and the order of its storages.
    if content[:1] != pickle.PROTO or _TensorUnpickler(content).load() != _LEGACY_MAGIC:
        raise TorchFileError("it was not written by torch.save")
    _, system = _TensorUnpickler(content).load(), _TensorUnpickler(content).load()
    if not (isinstance(system, dict) and system.get("little_endian")):
        raise TorchFileError("its numbers are big-endian; only little-endian ones can be read")
    unpickler = _TensorUnpickler(content)
    saved, order = unpickler.load(), _TensorUnpickler(content).load()
    storages = {}
    for key in order if isinstance(order, list) else ():
        # Only text is looked up: hashing an exponentially nested tuple would never end.
        if not (isinstance(key, str) and key in unpickler.storages):
            raise TorchFileError("it lists a storage that no tensor uses")
        _, dtype, elements = unpickler.storages[key]
        claimed, size = content.read(8), np.dtype(dtype).itemsize * elements
        if claimed != elements.to_bytes(8, "little") or content.size() - content.tell() < size:
            raise TorchFileError(f"it is truncated: the storage {key!r} should have {elements} numbers")
        storages[key] = content.read(size)
    return saved, storages.__getitem__


class _TensorUnpickler(PlainUnpickler):
    """Reads a pickle of tensors; their numbers are in storages outside the pickle."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def persistent_load(self, pid: Any) -> Any:
        """Return the storage, or the name of a module's class, that the file refers to."""
        match pid:
            case ("storage", Name(name=kind), str(key), _, int(elements), *view) if not any(view):
                if kind not in _DTYPES or not 0 <= elements <= _MAX_NUMBERS:
                    raise TorchFileError(
                        f"it has a storage {short_repr(kind)} of {elements:.4g} numbers, which only PyTorch reads"
                    )
                if len(key) > _MAX_KEY:
                    raise TorchFileError(f"a storage has a name of {len(key):,} characters")
                self.storages[key] = Storage(key, _DTYPES[kind], elements)
                return self.storages[key]
            case ("module", Name() as name, *_):
                return name
            case _:
                raise TorchFileError("it refers to something that is not a storage of numbers")

    def call(self, name: Any, arguments: Any) -> Any:
        """Return the tensor, parameter or dictionary that PyTorch would make; a placeholder for any other call."""
        match str(name) if isinstance(name, Name) else "", arguments:
            case "collections.OrderedDict", ():
                return PlainDict()
            case "torch._utils._rebuild_tensor_v2", (Storage() as storage, offset, shape, strides, *_):
                return Tensor(storage, _parse_lengths((offset,))[0], _parse_lengths(shape), _parse_lengths(strides))
            case "torch._utils._rebuild_parameter", (Tensor() as tensor, *_):
                return tensor
            case _:
                return super().call(name, arguments)


def _parse_lengths(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > _MAX_AXES:
        raise TorchFileError("a tensor's shape or strides are not a short tuple")
    if not all(isinstance(value, int) and 0 <= value <= _MAX_NUMBERS for value in values):
        raise TorchFileError("a tensor's offset, shape or strides are not whole numbers of at least 0")
    return values
