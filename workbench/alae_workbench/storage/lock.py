"""One process writes a directory: a lock that others see, and that ends with whoever holds it."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alae_core import AlaeError

#: the file that is locked; it marks a directory as one that alae writes
NAME = ".alae.lock"


class Lock:
    """The lock of a directory.

    Args:
        directory: what one process at a time writes.
        refusal: what a second one is told.
    """

    def __init__(self, directory: Path, refusal: str) -> None:
        self.path = directory / NAME
        self._refusal = refusal
        self._held: int | None = None

    @contextmanager
    def held(self, keep: Callable[[], bool]) -> Iterator[None]:
        """Keep other processes out of the directory, which is made if need be, until this one leaves or is killed.

        Args:
            keep: whether the lock's file stays when the context is left; one that was there before does.

        Raises AlaeError where another process has it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        marked = self.path.exists()
        while self._held is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _locked(descriptor):
                os.close(descriptor)
                raise AlaeError(self._refusal)
            if self._is_at(descriptor):
                self._held = descriptor
            else:
                # Removed between opening and locking, by one that was refused.
                os.close(descriptor)
        try:
            yield
        finally:
            self._held = None
            if not (marked or keep()):
                # Nothing came of it: what is refused leaves nothing behind.
                self.path.unlink(missing_ok=True)
            os.close(descriptor)

    @property
    def lost(self) -> bool:
        """Whether the directory that is held was removed, moved or replaced."""
        return self._held is not None and not self._is_at(self._held)

    def _is_at(self, descriptor: int) -> bool:
        """Whether the lock that is open lies in the directory."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except OSError:
            return False


def _locked(descriptor: int) -> bool:
    """Lock an open file, until it is closed or its process ends; False where another has."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some network file systems know no locks: there, nobody is told.
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
    return True
