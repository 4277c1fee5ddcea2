"""Files of weights that others published: where they lie, how they get there, and whether they are whole."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from alae_core._support.files import open_regular, written_whole
from alae_core.errors import CheckpointError
from alae_workbench.evaluation.cache import Keep
from alae_workbench.evaluation.registry import UnmeasurableError

_BLOCK, _SECONDS = 2**20, 30


@dataclass(frozen=True)
class Weights:
    """A file of weights.

    Attributes:
        file: its name.
        url: where it is published.
        digest: its SHA-256 in hexadecimal digits, or the first ones.
    """

    file: str
    url: str
    digest: str

    def found(self, keep: Keep) -> Path:
        """Where it lies, below `keep.weights`; it is fetched where it does not.

        Raises:
            UnmeasurableError: it is not there and cannot be fetched; the text says what to put where.
            CheckpointError: it is damaged.
        """
        path = keep.weights / self.file
        if not path.exists():
            try:
                self._fetch(path, keep)
            except (OSError, ValueError) as error:
                reason = error.reason if isinstance(error, URLError) else getattr(error, "strerror", None) or error
                raise UnmeasurableError(
                    f"its weights are not here and could not be fetched ({reason}): put {self.url} at {path}, or its "
                    "folder after --weights"
                ) from error
        require_digest(path, self.digest)
        return path

    def _fetch(self, path: Path, keep: Keep) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(self.url, timeout=_SECONDS) as answer, written_whole(path) as file:
            size = int(answer.headers.get("Content-Length") or 0)
            with keep.tell(size, f"bytes of {self.file}") as tell:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    tell(len(block))


def require_digest(path: Path, digest: str) -> None:
    """Raise CheckpointError unless a file can be read and its SHA-256 begins with these hexadecimal digits."""
    found = sha256()
    try:
        with open_regular(path) as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    if not found.hexdigest().startswith(digest):
        begins = found.hexdigest()[: min(len(digest), 8)]
        raise CheckpointError(f"{path} is damaged: its SHA-256 begins with {begins}, but should with {digest[:8]}")
