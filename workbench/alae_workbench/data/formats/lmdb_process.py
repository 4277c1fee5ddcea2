"""The process that reads an LMDB database, apart from the caller's because liblmdb crashes on damaged files.

`lmdb.py` runs this file as a script; it imports nothing but the standard library and `lmdb`. Each request on standard
input is a key, or no bytes for the next keys; each answer on standard output is a status and bytes. Answers hold only
bytes of bounded length, so a database that takes control of this process does not gain control of the caller's.
"""

import signal
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

#: a request is the length of a key, and the key
REQUEST = Struct("<H")
#: an answer is a status and a length, and as many bytes
ANSWER = Struct("<BQ")
#: statuses of answers: keys or a value, or the text of an error
VALUE, ERROR = 0, 1
#: maximum bytes of a value, and of any answer
MOST_BYTES = 2**29
# Keys in one answer.
_KEYS = 1000
#: maximum seconds for an answer, after which the process ends: damaged pages may refer to each other in a circle
MOST_SECONDS = 60
# Length of the record that describes a database within the database; few picture files are that short.
_DATABASE_BYTES = 48


def pack_keys(keys: list[bytes]) -> bytes:
    """Concatenate keys, each after its length."""
    return b"".join(REQUEST.pack(len(key)) + key for key in keys)


def unpack_keys(content: bytes) -> Iterator[bytes]:
    """Iterate over the keys of `pack_keys`."""
    start = 0
    while start < len(content):
        (length,) = REQUEST.unpack_from(content, start)
        start += REQUEST.size + length
        yield content[start - length : start]


def serve(file: Path, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests for the database in `file` until `requests` ends."""
    import lmdb

    expected = (lmdb.Error, ValueError, OverflowError, MemoryError)

    def answer(status: int, content: bytes) -> None:
        answers.write(ANSWER.pack(status, len(content)))
        answers.write(content)
        answers.flush()

    def refuse(error: Exception) -> None:
        answer(ERROR, str(error).removeprefix(f"{file}: ").encode())

    try:
        environment = lmdb.open(
            str(file), subdir=False, readonly=True, lock=False, create=False, readahead=False, max_dbs=1
        )
        with environment, environment.begin(buffers=True) as transaction:
            keys = _list_keys(environment, transaction, file.stat().st_size)
            while header := requests.read(REQUEST.size):
                key = requests.read(*REQUEST.unpack(header))
                try:
                    _limit_seconds(MOST_SECONDS)
                    content = _read_value(transaction, key) if key else pack_keys(list(islice(keys, _KEYS)))
                    _limit_seconds(0)
                except expected as error:
                    refuse(error)
                else:
                    answer(VALUE, content)
    except expected as error:
        refuse(error)


def _list_keys(environment: Any, transaction: Any, size: int) -> Iterator[bytes]:
    """Iterate over the keys in order. Raises ValueError if the database is inconsistent or does not hold pictures."""
    import lmdb

    stat = environment.stat()
    needed = (environment.info()["last_pgno"] + 1) * stat["psize"]
    if needed > size:
        raise ValueError(f"it is truncated: it has {size:,} of {needed:,} bytes")
    if environment.open_db(None, txn=transaction).flags(transaction)["dupsort"]:
        raise ValueError("it holds several values for a key")
    count = 0
    for key, value in transaction.cursor():
        count += 1
        if count > stat["entries"]:
            break
        if len(value) > MOST_BYTES:
            raise ValueError(f"a value has {len(value):,} bytes; a picture file may have at most {MOST_BYTES:,}")
        if len(value) == _DATABASE_BYTES:
            try:
                environment.open_db(bytes(key), txn=transaction, create=False)
            except lmdb.Error:
                pass
            else:
                raise ValueError("it holds databases of its own")
        yield bytes(key)
    if count != stat["entries"]:
        there = "more" if count > stat["entries"] else f"{count:,}"
        raise ValueError(f"its header says {stat['entries']:,} values, but it holds {there}")


def _read_value(transaction: Any, key: bytes) -> bytes:
    value = transaction.get(key)
    if value is None or len(value) > MOST_BYTES:
        raise ValueError("it is no longer there")
    return bytes(value)


def _limit_seconds(seconds: int) -> None:
    # An alarm without a handler ends the process, even within C code. Windows lacks alarms.
    if sys.platform != "win32":
        signal.alarm(seconds)


if __name__ == "__main__":
    # Ctrl-C reaches the caller too, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
