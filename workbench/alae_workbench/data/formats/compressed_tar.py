"""Tar archives compressed by gzip, which cannot be read in place: they are unpacked into the cache once."""

import gzip
import zlib
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from alae_core._support.cache import cache_directory
from alae_core._support.files import atomic_file, open_regular
from alae_workbench.data.formats.arrays import require_plausible_size
from alae_workbench.data.formats.stamp import stamp_file
from alae_workbench.data.source import DataError, describe_error

#: file name endings
ENDINGS = (".tar.gz", ".tgz")
_BLOCK_BYTES = 2**20


def is_compressed_tar(name: str) -> bool:
    """Whether a file of this name is a tar compressed by gzip."""
    return name.lower().endswith(ENDINGS)


def find_unpacked(path: Path) -> Path:
    """Return the tar that a compressed one holds, in the folder `unpacked` of the cache; unpack it if it is new.

    Raises DataError if it cannot be read or unpacks to far more than its size, or the cache cannot be written.
    """
    try:
        stamp = stamp_file(path)
        key = sha256(f"{path.absolute()}\0{stamp.size}\0{stamp.modified}".encode("utf-8", "surrogateescape"))
        unpacked = cache_directory() / "unpacked" / f"{key.hexdigest()[:32]}.tar"
        if unpacked.is_file():
            return unpacked
        unpacked.parent.mkdir(parents=True, exist_ok=True)
        with open_regular(path) as file, gzip.GzipFile(fileobj=file) as content, atomic_file(unpacked) as out:
            _copy(path, content, out, stamp.size)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(
            f"{path} cannot be unpacked into the cache {cache_directory()}: {describe_error(error)}; unpack it "
            f"yourself, or set ALAE_CACHE to another folder"
        ) from error
    return unpacked


def _copy(path: Path, content: gzip.GzipFile, out: BinaryIO, size: int) -> None:
    total = 0
    while block := content.read(_BLOCK_BYTES):
        total += len(block)
        require_plausible_size(path, total, size)
        out.write(block)
