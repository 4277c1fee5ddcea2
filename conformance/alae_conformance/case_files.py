"""The suite's files, each validated against a closed schema and against its SHA-256 in a manifest.

    cases/v2/
        fixtures.json        models: a base configuration, and the overrides of each fixture
        L0.json … L5.json    cases by level
        array.json           the covering array, whose rows are fixtures and cases without frozen numbers
        tapes/FIXTURE.npz    inputs: weights, images, labels, z, noise, states; exact in float32
        expected/CASE.npz    expected outputs, computed by the reference in float64
        manifest.json        the SHA-256 of every other file

`v2` is the version of the specification that the cases follow. A case id is never reused for another case.
"""

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from alae_core.config_data import SPECIFICATION
from alae_core.errors import AlaeError

HOME = Path(__file__).parent / "cases" / f"v{SPECIFICATION}"
Content = TypeVar("Content")


class SuiteError(AlaeError):
    """The suite's own files are damaged or inconsistent, so that no backend can be judged."""


class ClosedModel(BaseModel):
    """A model that refuses unknown fields and converts no types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def read_json(adapter: TypeAdapter[Content], name: str) -> Content:
    """Read and validate a JSON file of the suite. Raises SuiteError if it does not follow its schema."""
    try:
        return adapter.validate_json((HOME / name).read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise SuiteError(f"{HOME / name}: {where}: {problem['msg']}") from error


@cache
def read_tape(fixture: str) -> Mapping[str, np.ndarray]:
    """Read the frozen inputs of a fixture, named as `draw_tape` names them."""
    return _read_arrays(HOME / "tapes" / f"{fixture}.npz")


@cache
def read_expected(case: str) -> Mapping[str, np.ndarray]:
    """Read the frozen outputs of a case, named as its experiment names them."""
    return _read_arrays(HOME / "expected" / f"{case}.npz")


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def manifest_hash() -> str:
    """Return the SHA-256 of the manifest, which covers every case and number."""
    return sha256((HOME / "manifest.json").read_bytes()).hexdigest()


def make_manifest() -> dict[str, str]:
    """Return the SHA-256 of every file but the manifest, by relative path."""
    files = sorted(path for path in HOME.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(HOME).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def verify_files() -> None:
    """Compare every file with the manifest. Raises SuiteError if a file has changed, is missing or is new."""
    written = json.loads((HOME / "manifest.json").read_text("utf-8"))
    present = make_manifest()
    for name in sorted(written.keys() | present.keys()):
        if written.get(name) != present.get(name):
            state = "is missing" if name not in present else "is new" if name not in written else "has changed"
            raise SuiteError(f"{HOME / name} {state}: reinstall alae")
