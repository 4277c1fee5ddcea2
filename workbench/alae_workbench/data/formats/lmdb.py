"""LMDB databases of picture files, as LSUN distributes its scenes, read by the `lmdb` library in another process."""

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Collection as Names
from collections.abc import Iterator
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import BinaryIO, cast

from alae_workbench.data.collection import Collection, LazySequence
from alae_workbench.data.formats import lmdb_process
from alae_workbench.data.formats.lmdb_process import (
    ANSWER,
    MOST_BYTES,
    MOST_SECONDS,
    REQUEST,
    VALUE,
    unpack_keys,
)
from alae_workbench.data.formats.stamp import FileStamp, stamp_file
from alae_workbench.data.picture_file import Member
from alae_workbench.data.source import DataError, describe_error

_FILE = "data.mdb"
# Crashes on one file after which reading is given up: starting a process takes a tenth of a second.
_MOST_CRASHES = 5


def is_lmdb(path: Path, names: Names[str]) -> bool:
    """Whether a path is a database of LMDB, or a folder that contains `names` holds one."""
    return _FILE in (names or [path.name])


def list_lmdb(path: Path) -> Collection:
    """List the values of a database, each a picture file, in the order of their keys.

    A picture's name is its key, in hexadecimal if it holds anything but letters, digits, dots, dashes and underscores.

    Raises DataError if the library is not installed, or the database cannot be read, is damaged or empty, or holds
    databases of its own.
    """
    if find_spec("lmdb") is None:
        raise DataError(f"reading {path} requires the package lmdb: pip install 'alae[lmdb]'")
    file = path / _FILE if path.is_dir() else path
    try:
        stamp = stamp_file(file)
        if not stamp.size:
            raise ValueError("it has no content")
        keys = list(_open_database(stamp).list_keys())
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as LMDB: {describe_error(error)}") from error
    if not keys:
        raise DataError(f"there are no images in {path}: its database is empty")
    members = LazySequence(len(keys), partial(_make_member, path, file, keys))
    return Collection(members, LazySequence(len(keys), lambda index: _name_of(keys[index])), None, (), [file])


def _make_member(path: Path, file: Path, keys: list[bytes], index: int) -> Member:
    return Member(path, PurePosixPath(_name_of(keys[index])), partial(_read_value, file, keys[index]))


def _read_value(file: Path, key: bytes) -> bytes:
    return _open_database(stamp_file(file)).read(key)


def _name_of(key: bytes) -> str:
    name = key.decode("ascii", "replace")
    plain = name.replace(".", "").replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if plain else key.hex()


class _Database:
    """A database, read by a process that is started on the first request and again after a crash."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._crashes = 0

    def list_keys(self) -> Iterator[bytes]:
        """Iterate over the keys in order. Raises ValueError if the database is damaged."""
        with self._lock:
            self._stop()
            while content := self._request(b""):
                yield from unpack_keys(content)

    def read(self, key: bytes) -> bytes:
        """Return the value of a key. Raises ValueError if there is none, or the database is damaged."""
        with self._lock:
            return self._request(key)

    def _request(self, key: bytes) -> bytes:
        process = self._process or self._start()
        requests, answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        try:
            requests.write(REQUEST.pack(len(key)) + key)
            requests.flush()
            header = answers.read(ANSWER.size)
            status, length = ANSWER.unpack(header) if len(header) == ANSWER.size else (VALUE, MOST_BYTES + 1)
            content = answers.read(length) if length <= MOST_BYTES else b""
        except BrokenPipeError:
            length, content = 1, b""
        if len(content) < length:
            self._crashes += 1
            self._stop()
            raise ValueError(f"it is damaged: the LMDB library {_describe_end(process)}")
        if status != VALUE:
            raise ValueError(content.decode("utf-8", "replace"))
        return content

    def _start(self) -> "subprocess.Popen[bytes]":
        if self._crashes == _MOST_CRASHES:
            raise ValueError(f"it is damaged: the LMDB library crashed {_MOST_CRASHES} times")
        # Keep the script's folder off the path: it contains a module with the same name as the library.
        command = [sys.executable, "-P", lmdb_process.__file__, str(self._file)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._end = weakref.finalize(self, _end_process, self._process)
        return self._process

    def _stop(self) -> None:
        if self._process:
            self._end()
            self._process = None


@lru_cache(maxsize=4)
def _open_database(stamp: FileStamp) -> _Database:
    return _Database(stamp.path)


def _end_process(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def _describe_end(process: "subprocess.Popen[bytes]") -> str:
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        return f"gave no answer within {MOST_SECONDS} s" if name == "SIGALRM" else f"crashed on it ({name})"
    return f"ended with code {process.returncode}"
