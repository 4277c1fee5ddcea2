"""Runs that are not directories: a .zip of `alae export`, or a model on the Hugging Face Hub. Both open as directories.

Nothing in them is executed.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from alae_core._support.cache import cache_directory
from alae_core._support.text import one_line
from alae_core.errors import CheckpointError
from alae_core.run_archive import find_archive, open_archive

#: the beginning of a model's address on the Hub
HUB = "hf://"
#: the files of an exported run, which are all that is downloaded
FILES = ("config.yaml", "CARD.md", "examples.npz", "*.json", "*.safetensors", "*.npy", "plugins/*.py")
#: the command that installs the library of the Hub
INSTALL = "pip install 'alae[hub]'"
# A Path has one slash where the address has two.
_ADDRESS = re.compile(r"hf:/{1,2}([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?/*")
# How the Hub's own library names the folder of a model in its cache.
_FOLDER = "models--"


class Address(NamedTuple):
    """A model on the Hub.

    Attributes:
        name: OWNER/NAME.
        revision: a branch, tag or commit; None for the newest.
    """

    name: str
    revision: str | None

    def __str__(self) -> str:
        return f"{HUB}{self.name}" + (f"@{self.revision}" if self.revision else "")


def parse_address(path: Path) -> Address | None:
    """Return the model on the Hub that `path` names, hf://OWNER/NAME[@REVISION]; None for other paths.

    Raises CheckpointError if it begins as an address, but is none.
    """
    text = os.fspath(path)
    if not text.startswith("hf:/"):
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise CheckpointError(
            f"{text.replace('hf:/', HUB, 1)} is not an address of the form {HUB}OWNER/NAME[@REVISION]"
        )
    return Address(*match.groups())


def open_run(path: Path) -> Path:
    """Return the directory of the run `path`: an unpacked .zip, a download from the Hub, or `path` itself.

    Downloads stay in the cache, and are used without a network or with HF_HUB_OFFLINE=1.

    Raises CheckpointError if the .zip cannot be opened (`open_archive`), if the model is not on the Hub and not in the
    cache, or if the extra [hub] is not installed.
    """
    address = parse_address(path)
    return open_archive(path) if address is None else _download(address)


def name_source(path: Path) -> str | None:
    """Return the .zip or address that `path`, a run's directory or a file in one, came from; None for other paths."""
    if archive := find_archive(path):
        return str(archive)
    folder = next((parent.name for parent in path.parents if parent.name.startswith(_FOLDER)), None)
    return None if folder is None else HUB + folder.removeprefix(_FOLDER).replace("--", "/", 1)


def _download(address: Address) -> Path:
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError as error:
        raise CheckpointError(f"{address} needs the library of the Hub: {INSTALL}") from error
    try:
        found = snapshot_download(
            address.name, revision=address.revision, cache_dir=cache_directory() / "hub", allow_patterns=list(FILES)
        )
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(f"{address} is not on the Hub, or needs `hf auth login`") from error
    except errors.LocalEntryNotFoundError as error:
        raise CheckpointError(f"{address} is not in the cache, and the Hub cannot be reached") from error
    except (errors.HTTPError, errors.HFValidationError, OSError) as error:
        raise CheckpointError(f"{address} cannot be downloaded: {one_line(str(error))}") from error
    return Path(found)
