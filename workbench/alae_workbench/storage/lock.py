"""A lock that allows one process at a time to write a directory, and is released when the process ends."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alae_core import StorageError

#: the file that is locked; it also marks a directory as written by alae
NAME = ".alae.lock"


class Lock:
    """The lock of a directory.

    Args:
        directory: the directory, which need not exist yet.
        refusal: the message for a second process.
    """

    def __init__(self, directory: Path, refusal: str) -> None:
        self.path = directory / NAME
        self._refusal = refusal
        self._held: int | None = None

    @contextmanager
    def acquire(self, keep: Callable[[], bool]) -> Iterator[None]:
        """Create the directory if necessary, and lock it until the context ends or this process dies.

        Args:
            keep: whether to keep the lock's file afterwards; it is always kept if it existed before.

        Raises StorageError if another process has the lock.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        existed = self.path.exists()
        while self._held is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _try_lock(descriptor):
                os.close(descriptor)
                raise StorageError(self._refusal)
            if self._is_at_path(descriptor):
                self._held = descriptor
            else:
                # Another process removed the file between opening and locking.
                os.close(descriptor)
        try:
            yield
        finally:
            self._held = None
            if not (existed or keep()):
                # A refused command leaves no files behind.
                self.path.unlink(missing_ok=True)
            os.close(descriptor)

    @property
    def is_lost(self) -> bool:
        """Whether the locked directory was removed, moved or replaced."""
        return self._held is not None and not self._is_at_path(self._held)

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except OSError:
            return False


def _try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed or the process ends; return False if another process has the lock."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some network file systems do not support locks; there, a second process is not refused.
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
    return True
