"""Picture files in a .zip or .tar, read in place; a member's name never affects which file is read or written."""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from collections.abc import Collection as Names
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from struct import Struct
from typing import BinaryIO

from alae_core._support.files import open_regular
from alae_workbench.data.collection import Collection
from alae_workbench.data.labels import label_by_folder
from alae_workbench.data.picture_file import ENDINGS, Member
from alae_workbench.data.source import DataError

#: file name endings of archives
ARCHIVES = (".zip", ".tar")
# Maximum bytes of a picture file, far above any that Pillow decodes.
_MOST_BYTES = 2**29
# A zip's local header: the signature, and the lengths of the name and of the extra field, which follow it.
_LOCAL_HEADER = Struct("<4s22xHH")
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, OSError, ValueError, KeyError, EOFError),
    *(RuntimeError, NotImplementedError, OverflowError, MemoryError),
)


def is_archive(path: Path, names: Names[str]) -> bool:
    """Whether a path is a file with the ending of an archive."""
    return path.suffix.lower() in ARCHIVES and not path.is_dir()


def list_archive(path: Path) -> Collection:
    """List the picture files in a .zip or .tar, sorted by name; links, devices and hidden files are skipped.

    Raises DataError if there are none, or the archive cannot be read, is compressed as a whole, or has a member that is
    encrypted, too large, or compressed by a method other than deflate.
    """
    members = [
        member
        for member in _list_members(path)
        if member.place.name.lower().endswith(ENDINGS) and not _is_hidden(member.place)
    ]
    if not members:
        raise DataError(f"there are no images in {path}: it must hold {', '.join(ENDINGS)} files, in any folders")
    labels, label_names = label_by_folder([member.place for member in members])
    return Collection(members, [member.place.as_posix() for member in members], labels, label_names, (path,))


def _list_members(path: Path) -> list[Member]:
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            readers = (_list_zip if path.suffix.lower() == ".zip" else _list_tar)(path, file, size)
            members = [Member(path, _remove_outward_parts(name), read) for name, read in readers]
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a {path.suffix.lower()[1:]}: {reason}") from error
    return sorted(members, key=lambda member: member.place)


def _list_zip(path: Path, file: BinaryIO, size: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for info in zipfile.ZipFile(file).infolist():
        if info.is_dir():
            continue
        if info.flag_bits & 1:
            raise ValueError(f"{info.filename!r:.80} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{info.filename!r:.80} is neither stored nor deflated")
        _require_size(info.filename, info.file_size, info.compress_size, size)
        yield info.filename, partial(_read_from_zip, path, info)


def _read_from_zip(path: Path, info: zipfile.ZipInfo) -> bytes:
    # ZipFile is not used: it serves one thread at a time, and opening one reads the names of all members.
    with open_regular(path) as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        complete = len(header) == _LOCAL_HEADER.size
        signature, name_length, extra_length = _LOCAL_HEADER.unpack(header) if complete else (b"", 0, 0)
        if signature != b"PK\3\4":
            raise ValueError("the archive does not hold it at the offset in its directory")
        file.seek(name_length + extra_length, 1)
        content = file.read(info.compress_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        # Allowing one more byte shows whether the content ends where it should.
        try:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, info.file_size + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise ValueError("its checksum does not match its content")
    return content


def _list_tar(path: Path, file: BinaryIO, size: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    try:
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the caller closes the file
    except tarfile.ReadError as error:
        raise ValueError(
            "it is not a tar, or is compressed as a whole, which does not allow reading in place: unpack it"
        ) from error
    for info in archive:
        if info.isreg() and not info.issparse():
            _require_size(info.name, info.size, info.size, size)
            yield info.name, partial(_read_from_tar, path, info.offset_data, info.size)


def _read_from_tar(path: Path, offset: int, size: int) -> bytes:
    with open_regular(path) as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise EOFError("the archive ends within it")
    return content


def _require_size(name: str, size: int, packed: int, archive: int) -> None:
    if size > _MOST_BYTES:
        raise ValueError(f"{name!r:.80} has {size:,} bytes; a picture file may have at most {_MOST_BYTES:,}")
    if packed > archive:
        raise ValueError(f"{name!r:.80} is said to take {packed:,} bytes, but the archive has {archive:,}")


def _is_hidden(place: PurePath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in place.parts)


def _remove_outward_parts(name: str) -> PurePosixPath:
    return PurePosixPath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))
