"""Atomic writes, and reads restricted to regular files."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

# Temporary files of `atomic_path` that are being written.
_unfinished: set[Path] = set()


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading bytes.

    Raises OSError, with its reason in `strerror`, if the file cannot be opened or is a folder, pipe, socket or device:
    reading these may block or never end.
    """
    try:
        # O_NONBLOCK: opening a pipe would block until another process writes to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # the name contains a NUL
        raise OSError(errno.EINVAL, "no file has such a name", str(path)) from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        what = "it is a folder, not a file" if stat.S_ISDIR(kind) else "it is not a regular file"
        raise OSError(errno.EINVAL, what, str(path))
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_regular(path: Path, most: int | None = None) -> bytes:
    """Return the bytes of a regular file. Raises OSError as `open_regular` does, and if there are more than `most`."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(
                errno.EFBIG, f"it has {size:,} bytes, more than the {most:,} that such a file may have", str(path)
            )
        return file.read()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it then replaces `path` atomically. An exception leaves `path` unchanged.

    Raises OSError with `path` as its `filename` if the disk is full or permission is missing.
    """
    writing = path.with_name(f".writing-{os.getpid()}-{path.name}")
    _unfinished.add(writing)
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
        _unfinished.discard(writing)


def remove_unfinished() -> None:
    """Remove the temporary files of `atomic_path` that other threads are writing, before the process ends."""
    for writing in list(_unfinished):
        writing.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write bytes to, which becomes `path` as in `atomic_path`."""
    with atomic_path(path) as writing, writing.open("wb") as file:
        yield file


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically. Raises OSError as `atomic_path` does."""
    with atomic_file(path) as file:
        file.write(content)


@contextmanager
def create_directory(path: Path) -> Iterator[None]:
    """Create a directory and its parents, and remove the directory if the context raises an exception.

    Raises FileExistsError if it exists.
    """
    path.mkdir(parents=True)
    try:
        yield
    except BaseException:
        rmtree(path, ignore_errors=True)
        raise


def append(path: Path, content: bytes) -> None:
    """Append `content` to the file `path`. Not atomic: a crash or a full disk can leave part of it.

    Raises OSError with `path` as its `filename` if the disk is full, or permission or the directory is missing.
    """
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def sync_directory(path: Path) -> None:
    """Flush the entries of a directory to disk, so that renames survive a crash."""
    if os.name == "nt":
        return  # Windows cannot flush a directory; its file system journals renames.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
