"""Images in a .zip or .tar, read in place: no member's name ever decides where anything is read or written."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, BinaryIO

from alae_core.files import open_regular
from alae_workbench.data.source import DataError

#: what the names of archives end in
ARCHIVES = (".zip", ".tar")
# Bytes that an image file may have: far more than any that Pillow decodes.
_MOST_BYTES = 2**29
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, OSError, ValueError, KeyError, EOFError),
    *(RuntimeError, NotImplementedError, OverflowError, MemoryError),
)


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        archive: where that is.
        place: the member's name, without what would lead out of the archive.
        content: reads its bytes, from any thread.
        held: keeps the archive open, for as long as there is a member of it.
    """

    archive: Path
    place: PurePosixPath
    content: Callable[[], bytes]
    held: ExitStack

    def __str__(self) -> str:
        return f"{self.archive}: {self.place}"

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes as a file. Raises DataError where they cannot be read."""
        try:
            content = self.content()
        except _BROKEN as error:
            raise DataError(f"{self} ({getattr(error, 'strerror', None) or error})") from error
        yield io.BytesIO(content)


def members(path: Path) -> list[Member]:
    """The regular files of an archive in the order of their names; links and devices are passed over.

    Raises DataError where it cannot be read, is compressed as a whole, or has a member that is encrypted or too large.
    """
    held = ExitStack()
    try:
        file = held.enter_context(open_regular(path))
        named = (_zipped if path.suffix.lower() == ".zip" else _tarred)(file)
        found = [Member(path, _within(name), content, held) for name, content in named]
    except _BROKEN as error:
        held.close()
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read as a {path.suffix.lower()[1:]}: {reason}") from error
    return sorted(found, key=lambda member: member.place)


def _zipped(file: BinaryIO) -> Iterator[tuple[str, Callable[[], bytes]]]:
    archive = zipfile.ZipFile(file)
    for info in archive.infolist():
        if info.is_dir():
            continue
        if info.flag_bits & 1:
            raise ValueError(f"{info.filename!r:.80} is encrypted")
        _require_size(info.filename, info.file_size)

        def content(info: zipfile.ZipInfo = info) -> bytes:
            with archive.open(info) as member:
                # The size is what its header says; what is longer has another checksum.
                return member.read(info.file_size + 1)

        yield info.filename, content


def _tarred(file: BinaryIO) -> Iterator[tuple[str, Callable[[], bytes]]]:
    lock = Lock()
    try:
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - it lies in a file that its members read from
    except tarfile.ReadError as error:
        raise ValueError("it is none, or compressed as a whole, in which nothing can be found: unpack it") from error
    for info in archive:
        if not info.isreg() or info.issparse():
            continue
        _require_size(info.name, info.size)

        def content(info: tarfile.TarInfo = info) -> bytes:
            with lock:
                file.seek(info.offset_data)
                found = file.read(info.size)
            if len(found) < info.size:
                raise EOFError("the archive ends within it")
            return found

        yield info.name, content


def _require_size(name: str, size: int) -> None:
    if size > _MOST_BYTES:
        raise ValueError(f"{name!r:.80} has {size:,} bytes, and images at the most {_MOST_BYTES:,}")


def _within(name: str) -> PurePosixPath:
    return PurePosixPath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))
