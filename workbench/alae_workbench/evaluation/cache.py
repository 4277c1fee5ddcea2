"""A cache of image features on disk, keyed by everything that affects them.

Rows are appended as they are computed, so an interrupted computation continues where it stopped.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from alae_core import AlaeError
from alae_core._support.cache import cache_directory
from alae_core._support.files import append, write_atomically
from alae_workbench.storage.lock import Lock

#: called with a total and the name of the things counted; returns a context manager that yields a function to call with
#: each increment
Progress = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]
#: called with a row's index; yields parts (count, width) of the rows, each with the index of its first row. The first
#: part contains the requested row
ComputeRows = Callable[[int], Iterator[tuple[int, np.ndarray]]]


@contextmanager
def no_progress(total: int, things: str) -> Iterator[Callable[[int], None]]:
    """Report no progress."""
    yield lambda more: None


@dataclass(frozen=True)
class Cache:
    """Directories for features of images and for weights of networks that others trained.

    Attributes:
        directory: where features are cached; None caches nothing.
        weights: the folder of weights.
        progress: reports how computations and downloads advance.
    """

    directory: Path | None = None
    weights: Path = field(default_factory=lambda: cache_directory() / "weights")
    progress: Progress = no_progress

    def rows(self, things: str, key: Mapping[str, Any], count: int, width: int, compute: ComputeRows) -> np.ndarray:
        """Return rows float32 (count, width) from the cache, or compute them and add them to it.

        Args:
            things: the things computed, for progress.
            key: JSON data that determines the numbers.
            count, width: the shape.
            compute: computes the rows.
        """
        if self.directory is None:
            return self._compute(things, count, width, compute)
        digest = sha256(json.dumps({**key, "count": count, "width": width}, sort_keys=True).encode()).hexdigest()
        whole, growing = self.directory / f"{digest}.f32", self.directory / digest / "rows.part"
        with ExitStack() as stack:
            if not whole.exists():
                try:
                    lock = Lock(growing.parent, f"another process computes {growing.parent}")
                    stack.enter_context(lock.acquire(keep=growing.exists))
                except (AlaeError, OSError):
                    # Another process is computing this, and waiting would not be faster; or the cache is read-only.
                    return self._compute(things, count, width, compute)
                if not whole.exists():
                    self._append(things, growing, count, width, compute)
                    growing.replace(whole)
        shutil.rmtree(growing.parent, ignore_errors=True)
        return np.fromfile(whole, np.float32).reshape(count, width)

    def _compute(self, things: str, count: int, width: int, compute: ComputeRows) -> np.ndarray:
        rows = np.empty((count, width), np.float32)
        with self.progress(count, things) as advance:
            for start, part in compute(0):
                rows[start : start + len(part)] = part
                advance(len(part))
        return rows

    def _append(self, things: str, growing: Path, count: int, width: int, compute: ComputeRows) -> None:
        """Append the missing rows to a file."""
        stored = growing.read_bytes() if growing.exists() else b""
        with self.progress(count, things) as advance:
            for number, (start, part) in enumerate(compute(len(stored) // (4 * width))):
                if number == 0:
                    # The stored rows can end within a part, or, after a crash, within a row: compute that part again.
                    write_atomically(growing, stored[: 4 * width * start])
                    advance(start)
                append(growing, np.ascontiguousarray(part, np.float32).tobytes())
                advance(len(part))
