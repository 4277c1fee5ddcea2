"""The checkpoints of a directory, and the files of each: their content, and its verification.

    step-00001000/
        state.safetensors      every array of `alae_core.state`; of an exported run only averages and running means
        manifest.json          format, step, images shown at each level, configuration, author, the SHA-256 of each file
                               and of itself

Reading one parses JSON and copies numbers. It executes no code.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import numpy as np
import safetensors.numpy
from pydantic import Field, NonNegativeInt, Strict
from safetensors import SafetensorError

from alae_core._support.manifest import read_bytes, read_manifest, seal_manifest
from alae_core._support.text import short_repr
from alae_core._support.validation import Frozen
from alae_core.config import Config
from alae_core.errors import ArgumentError, CheckpointError
from alae_core.sizes import count_weights, find_memory

#: the version of the format; the configuration in a manifest has its own version, that of the specification
FORMAT = 2
STATE: Final = "state.safetensors"
MANIFEST = "manifest.json"
#: maximum size of a manifest in bytes
MOST_BYTES = 2**20
#: the names of checkpoints
NAME = re.compile(r"step-([0-9]{8,})$")


def checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoints in `directory`, oldest first. Incomplete checkpoints are ignored."""
    # Sorted by number: by name, the step after 99,999,999 would be the oldest.
    return sorted((path for path in directory.glob("step-*") if NAME.fullmatch(path.name)), key=step_of)


def step_of(path: Path) -> int:
    """Return the step at the end of a checkpoint's name, even if the checkpoint was renamed; −1 if there is none."""
    found = NAME.search(path.name)
    return int(found[1]) if found else -1


class _Common(Frozen):
    """The fields of a manifest of every format, besides the SHA-256 of itself."""

    step: Annotated[int, Field(ge=0, le=10**12)]
    # The files still use the name that the field had in format 1.
    measure: Annotated[float | None, Field(alias="metric")]
    backend: str
    versions: dict[str, str]
    config: dict[str, Any]
    files: Annotated[dict[Literal["state.safetensors"], str], Field(min_length=1)]


class FirstManifest(_Common):
    """A manifest of format 1."""

    format: Literal[1]
    seed: int
    # In format 1 the configuration also held the settings of the run, and the seed was a separate field.
    run: None = None
    shown: None = None


class Manifest(_Common):
    """A manifest of the current format."""

    format: Literal[2]
    run: dict[str, Any]
    # Added later: earlier files lack it.
    shown: Annotated[tuple[NonNegativeInt, ...], Strict(False)] | None = None


_FORMATS: dict[int, type[FirstManifest | Manifest]] = {1: FirstManifest, FORMAT: Manifest}


class Author(Protocol):
    """The software that a checkpoint records as its author: the relevant part of a `Backend`."""

    @property
    def name(self) -> str:
        """Its name."""

    def versions(self) -> dict[str, str]:
        """Return the versions of the software that it uses, by name."""


def load_manifest(path: Path) -> FirstManifest | Manifest:
    """Return the manifest of the checkpoint `path`. Raises CheckpointError if it cannot be read or is damaged."""
    return read_manifest(path / MANIFEST, _FORMATS, most=MOST_BYTES, error=CheckpointError)


def encode_manifest(data: dict[str, Any]) -> bytes:
    """Return a manifest's bytes. Raises ArgumentError if the group "run" is not plain data, or exceeds MOST_BYTES."""
    try:
        content = seal_manifest(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError("run", f"must be plain data, as JSON has it: {error}") from error
    if len(content) > MOST_BYTES:
        raise ArgumentError(
            "run", f"makes a manifest of {len(content):,} bytes, more than the {MOST_BYTES:,} that one may have"
        )
    return content


def load_content(path: Path, manifest: FirstManifest | Manifest) -> bytes:
    """Read the checkpoint's state file. Raises CheckpointError if it does not match the manifest's SHA-256."""
    content = read_bytes(path / STATE, find_memory(), CheckpointError)
    if sha256(content).hexdigest() != manifest.files[STATE]:
        raise CheckpointError(f"{path / STATE} is damaged: its SHA-256 is not the one in {MANIFEST}")
    return content


def decode_state(file: Path, content: bytes, step: int, config: Config) -> dict[str, np.ndarray]:
    """Return the arrays in the bytes of the state file `file`.

    They include the weights, or if the run was exported only the averages.

    Raises CheckpointError if they are damaged, are not of training step `step`, contain a number that is not finite, or
    do not fit `config`.
    """
    try:
        state: dict[str, np.ndarray] = safetensors.numpy.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        # safetensors raises ValueError for shapes that NumPy does not support, and KeyError for dtypes.
        raise CheckpointError(f"{file} is damaged: {error}") from error
    for name, array in state.items():
        if array.dtype.kind not in "if":
            raise CheckpointError(f"{file} is damaged: {short_repr(name)} has the dtype {array.dtype}")
    at = state.get("step")
    if at is None or at.shape or at.dtype.kind != "i" or at != step:
        raise CheckpointError(f"{file} is damaged: its step is {short_repr(at)}, but that of {MANIFEST} is {step:,}")
    wrong = find_not_finite(state)
    if wrong is not None:
        raise CheckpointError(f"{file} is damaged: {short_repr(wrong)} is not finite")
    for group in ("averages",) if _is_exported(state) else ("weights", "averages"):
        for network, size in count_weights(config).items():
            found = sum(array.size for name, array in state.items() if name.startswith(f"{group}/{network}/"))
            if found != size:
                raise CheckpointError(
                    f"{file} does not fit its configuration: {group} of {network} are {found:,} numbers, not {size:,}"
                )
    return state


def require_trained(path: Path, state: Iterable[str]) -> None:
    """Raise CheckpointError if the checkpoint `path`, which has the arrays named in `state`, is of an exported run."""
    if _is_exported(state):
        raise CheckpointError(
            f"{path} was exported and has only averaged networks; for the networks as trained, and to resume training, "
            f"give the original run; `alae train --from` starts a new run from this one"
        )


def _is_exported(state: Iterable[str]) -> bool:
    # Not only the weights: a damaged checkpoint may lack them.
    return not any(name.startswith(("weights/", "adam/")) for name in state)


def find_not_finite(state: Mapping[str, np.ndarray]) -> str | None:
    """Return the name of a state's first array with a NaN or an infinite number; None if all are finite."""
    return next((name for name, array in state.items() if not np.isfinite(array).all()), None)
