"""Weights that others published: files in a folder, downloaded if they are missing, and verified by SHA-256."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from alae_core._support.files import atomic_file, open_regular
from alae_core.errors import CheckpointError
from alae_workbench.evaluation.cache import Cache
from alae_workbench.evaluation.registry import UnmeasurableError

_BLOCK_BYTES, _TIMEOUT_SECONDS = 2**20, 30


@dataclass(frozen=True)
class Weights:
    """A published file of weights.

    Attributes:
        file: its name.
        url: where to download it.
        digest: its SHA-256 in hexadecimal, or the first digits.
    """

    file: str
    url: str
    digest: str

    def locate(self, cache: Cache) -> Path:
        """Return the file's path in the folder `cache.weights`. Downloads it if it is missing.

        Raises:
            UnmeasurableError: it is missing and cannot be downloaded; the message gives the path to save it to.
            CheckpointError: it is damaged.
        """
        path = cache.weights / self.file
        if not path.exists():
            try:
                self._download(path, cache)
            except (OSError, ValueError) as error:
                reason = error.reason if isinstance(error, URLError) else getattr(error, "strerror", None) or error
                raise UnmeasurableError(
                    f"its weights are missing and cannot be downloaded ({reason}): save {self.url} as {path}, or give "
                    "its folder by --weights, or another cache by ALAE_CACHE"
                ) from error
        require_digest(path, self.digest)
        return path

    def _download(self, path: Path, cache: Cache) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(self.url, timeout=_TIMEOUT_SECONDS) as answer, atomic_file(path) as file:
            size = int(answer.headers.get("Content-Length") or 0)
            with cache.progress(size, f"bytes of {self.file}") as advance:
                while block := answer.read(_BLOCK_BYTES):
                    file.write(block)
                    advance(len(block))


def require_digest(path: Path, digest: str) -> None:
    """Raise CheckpointError unless the file is readable and its SHA-256 starts with these hexadecimal digits."""
    actual = sha256()
    try:
        with open_regular(path) as file:
            while block := file.read(_BLOCK_BYTES):
                actual.update(block)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    if not actual.hexdigest().startswith(digest):
        start = actual.hexdigest()[: min(len(digest), 8)]
        raise CheckpointError(f"{path} is damaged: its SHA-256 starts with {start} instead of {digest[:8]}")
