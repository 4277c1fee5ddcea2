"""The state of a file on disk, as the key of a cache of open files."""

from pathlib import Path
from typing import NamedTuple

from alae_core._support.files import open_regular


class FileStamp(NamedTuple):
    """A file's path, size in bytes and modification time in nanoseconds; a changed file has another stamp."""

    path: Path
    size: int
    modified: int


def stamp_file(path: Path) -> FileStamp:
    """Return the stamp of a regular file. Raises OSError as `open_regular` does."""
    with open_regular(path):
        stat = path.stat()
    return FileStamp(path, stat.st_size, stat.st_mtime_ns)
