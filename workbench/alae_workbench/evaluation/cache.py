"""What is kept of dear looks at images: rows of features, by all that decides them, so that nobody computes them twice.

Rows are appended as they come. A computation that is interrupted goes on where it was.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from alae_core import AlaeError
from alae_core._support.files import append, write_whole
from alae_workbench.storage.lock import Lock

#: of how many are to come and what they are: a context that is told how many more have come
Tell = Callable[[int, str], Any]
#: rows in parts, each with the index of its first row, from one that is at most the index given
Rows = Callable[[int], Iterator[tuple[int, np.ndarray]]]


def default_place() -> Path:
    """Where features are kept unless somebody says otherwise: ALAE_CACHE, or .cache/alae in the home directory."""
    return Path(os.environ.get("ALAE_CACHE") or Path.home() / ".cache" / "alae")


@contextmanager
def silent(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Tell nobody."""
    yield lambda more: None


@dataclass(frozen=True)
class Keep:
    """A place for features, or none.

    Attributes:
        place: the directory; None keeps nothing.
        tell: who is told how a computation goes.
        folder: where weights of networks lie that others trained; by default `weights` in `default_place`.
    """

    place: Path | None = None
    tell: Tell = silent
    folder: Path | None = None

    @property
    def weights(self) -> Path:
        """The folder of weights that others trained."""
        return self.folder or default_place() / "weights"

    def rows(self, what: str, of: Mapping[str, Any], count: int, width: int, rows: Rows) -> np.ndarray:
        """`count` rows of `width` float32 numbers: kept ones, or such as `rows` answers, which then are kept.

        Args:
            what: what is computed, for who is told.
            of: plain data that decides the numbers; anything that differs makes others of them.
            count, width: the shape.
            rows: computes them; see `Rows`.
        """
        if self.place is None:
            return self._computed(what, count, width, rows)
        key = sha256(json.dumps({**of, "count": count, "width": width}, sort_keys=True).encode()).hexdigest()
        whole, growing = self.place / f"{key}.f32", self.place / key / "rows.part"
        with ExitStack() as stack:
            if not whole.exists():
                try:
                    lock = Lock(growing.parent, f"another process computes {growing.parent}")
                    stack.enter_context(lock.held(keep=growing.exists))
                except AlaeError:
                    # Another process is at it: who waits for it gains nothing.
                    return self._computed(what, count, width, rows)
                if not whole.exists():
                    self._grow(what, growing, count, width, rows)
                    growing.replace(whole)
        shutil.rmtree(growing.parent, ignore_errors=True)
        return np.fromfile(whole, np.float32).reshape(count, width)

    def _computed(self, what: str, count: int, width: int, rows: Rows) -> np.ndarray:
        found = np.empty((count, width), np.float32)
        with self.tell(count, what) as tell:
            for start, part in rows(0):
                found[start : start + len(part)] = part
                tell(len(part))
        return found

    def _grow(self, what: str, growing: Path, count: int, width: int, rows: Rows) -> None:
        """Append rows to those that a file has, until it has all."""
        there = growing.read_bytes() if growing.exists() else b""
        with self.tell(count, what) as tell:
            for number, (start, part) in enumerate(rows(len(there) // (4 * width))):
                if number == 0:
                    # Parts have their own borders, and a kill leaves half a row.
                    write_whole(growing, there[: 4 * width * start])
                    tell(start)
                append(growing, np.ascontiguousarray(part, np.float32).tobytes())
                tell(len(part))
