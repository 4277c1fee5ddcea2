"""Images in a .zip or .tar, read in place: no member's name ever decides where anything is read or written."""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from struct import Struct
from typing import BinaryIO

from alae_core._support.files import open_regular
from alae_workbench.data.collection import Pictures, classes_of
from alae_workbench.data.pictures import ENDINGS, Member
from alae_workbench.data.source import DataError

#: what the names of archives end in
ARCHIVES = (".zip", ".tar")
# Bytes that an image file may have: far more than any that Pillow decodes.
_MOST_BYTES = 2**29
# Of a local header the signature, and how long the name and what else follows are.
_LOCAL = Struct("<4s22xHH")
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, OSError, ValueError, KeyError, EOFError),
    *(RuntimeError, NotImplementedError, OverflowError, MemoryError),
)


def is_archive(path: Path, inside: Collection[str]) -> bool:
    """Whether a path is an archive by its name."""
    return path.suffix.lower() in ARCHIVES and not path.is_dir()


def pictures_in_archive(path: Path) -> Pictures:
    """The images in a .zip or .tar. Raises DataError as `members` does, and where there are none."""
    found = [each for each in members(path) if each.place.name.lower().endswith(ENDINGS) and not _hidden(each.place)]
    if not found:
        raise DataError(f"there are no images in {path}: it should hold {', '.join(ENDINGS)} files, in any folders")
    labels, classes = classes_of([member.place for member in found])
    return Pictures(found, [member.place.as_posix() for member in found], labels, classes, (path,))


def members(path: Path) -> list[Member]:
    """The regular files of an archive in the order of their names; links and devices are passed over.

    Raises DataError where it cannot be read, is compressed as a whole, or has a member that is encrypted, too large, or
    compressed by anything but deflation.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            named = (_zipped if path.suffix.lower() == ".zip" else _tarred)(path, file, size)
            found = [Member(path, _within(name), content) for name, content in named]
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a {path.suffix.lower()[1:]}: {reason}") from error
    return sorted(found, key=lambda member: member.place)


def _zipped(path: Path, file: BinaryIO, size: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for info in zipfile.ZipFile(file).infolist():
        if info.is_dir():
            continue
        if info.flag_bits & 1:
            raise ValueError(f"{info.filename!r:.80} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{info.filename!r:.80} is neither stored nor deflated")
        _require_size(info.filename, info.file_size, info.compress_size, size)
        yield info.filename, partial(_unzipped, path, info)


def _unzipped(path: Path, info: zipfile.ZipInfo) -> bytes:
    # Not by a ZipFile: one that is open serves one thread at a time, and one that is opened reads all names first.
    with open_regular(path) as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL.size)
        signature, name, extra = _LOCAL.unpack(header) if len(header) == _LOCAL.size else (b"", 0, 0)
        if signature != b"PK\3\4":
            raise ValueError("it is not where the archive says")
        file.seek(name + extra, 1)
        content = file.read(info.compress_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        # One byte more than promised tells whether it ends there.
        try:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, info.file_size + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise ValueError("its checksum is not that of its bytes")
    return content


def _tarred(path: Path, file: BinaryIO, size: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    try:
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - whoever opened the file closes it
    except tarfile.ReadError as error:
        raise ValueError("it is none, or compressed as a whole, in which nothing can be found: unpack it") from error
    for info in archive:
        if info.isreg() and not info.issparse():
            _require_size(info.name, info.size, info.size, size)
            yield info.name, partial(_untarred, path, info.offset_data, info.size)


def _untarred(path: Path, offset: int, size: int) -> bytes:
    with open_regular(path) as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise EOFError("the archive ends within it")
    return content


def _require_size(name: str, size: int, packed: int, archive: int) -> None:
    if size > _MOST_BYTES:
        raise ValueError(f"{name!r:.80} has {size:,} bytes, and images at the most {_MOST_BYTES:,}")
    if packed > archive:
        raise ValueError(f"{name!r:.80} has {packed:,} bytes there, but all of it has {archive:,}")


def _hidden(place: PurePath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in place.parts)


def _within(name: str) -> PurePosixPath:
    return PurePosixPath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))
