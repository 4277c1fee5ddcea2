"""Files as whole as a hostile or failing file system lets them be: read if regular, written whole or not at all."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A regular file opened for reading bytes.

    Raises OSError, with a text in `strerror`, where it cannot be opened or is a folder, a pipe, a socket or a device:
    those may never end, or wait for ever.
    """
    try:
        # Without waiting: opening a pipe would last until somebody writes into it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a NUL in its name
        raise OSError(errno.EINVAL, "no file has such a name", str(path)) from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        what = "it is a folder, not a file" if stat.S_ISDIR(kind) else "it is not a regular file"
        raise OSError(errno.EINVAL, what, str(path))
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_regular(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file. Raises OSError as `open_regular` does, and where there are more than `most`."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(
                errno.EFBIG, f"it has {size:,} bytes, more than the {most:,} that such a file may have", str(path)
            )
        return file.read()


@contextmanager
def built_whole(path: Path) -> Iterator[Path]:
    """A path to write a file at, which replaces `path` only once it is on the disk; after an exception, not at all.

    Raises OSError, whose `filename` is `path`, where there is no room, or no permission.
    """
    writing = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        yield writing
        with writing.open("rb+") as file:
            os.fsync(file.fileno())
        writing.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        writing.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write bytes into, which becomes `path` as in `built_whole`."""
    with built_whole(path) as writing, writing.open("wb") as file:
        yield file


def write_whole(path: Path, content: bytes) -> None:
    """`content` as the file `path`, whole or not at all. Raises OSError as `written_whole` does."""
    with written_whole(path) as file:
        file.write(content)


def append(path: Path, content: bytes) -> None:
    """`content` after what the file `path` holds; a kill or a full disk can leave a part of it.

    Raises OSError, whose `filename` is `path`, where there is no room, no permission, or no directory.
    """
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def sync_directory(path: Path) -> None:
    """Let the names in a directory reach the disk."""
    if os.name == "nt":
        return  # Windows has no such call; a rename there is a record of its file system's journal.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
