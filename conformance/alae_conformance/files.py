"""The cases and their frozen numbers, as files: a closed schema, and a SHA-256 of everything.

    cases/v2/
        fixtures.json        models: a whole configuration, and what each fixture changes in it
        L0.json … L5.json    cases by level
        tapes/FIXTURE.npz    what goes in: weights, images, labels, z, noise, states; float32 or less holds it exactly
        expected/CASE.npz    what must come out, computed by the reference in float64
        manifest.json        the SHA-256 of every other file

`v2` is the version of the specification that they follow. A case id is never used again for something else.
"""

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from alae_conformance.subjects import Arrays
from alae_conformance.tolerances import Lane, ToleranceClass
from alae_core.config import SPECIFICATION, Config, make_config
from alae_core.errors import AlaeError

HOME = Path(__file__).parent / "cases" / f"v{SPECIFICATION}"
Profile = Literal["smoke", "standard", "full"]
PROFILES: tuple[Profile, ...] = ("smoke", "standard", "full")
Experiment = Literal[
    "contract",
    "refusals",
    "initial",
    "noise",
    "values",
    "many",
    "gradients",
    "reloaded",
    "substeps",
    "only",
    "fed",
    "drawn",
    "free_run",
    "precision",
    "growth",
    "in_place",
    "reciprocity",
    "portability",
    "peers",
]


class VectorsError(AlaeError):
    """The suite's own files are damaged or do not fit together: nothing can be said of any backend."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Fixture(_Closed):
    """A small model, and how the numbers it starts from were drawn."""

    id: str = Field(pattern="^[a-z]+$")
    shows: str = Field(description="what this fixture brings to light that others hide")
    overrides: dict[str, Any] = Field(
        description="what differs from the base configuration, by dotted key; its seed decides every z of a step"
    )
    logits: float = Field(description="the standard deviation that D's logits are scaled to")
    levels: list[tuple[int, float]] = Field([], description="where style networks are looked at: levels and blends")
    grown: list[int] = Field([], description="the steps after which a run of style networks is looked at")
    seeds: int = Field(0, description="initial weights drawn besides, for statistics over seeds")


class Case(_Closed):
    """One claim about a backend."""

    id: str = Field(pattern="^L[0-5]-[a-z-]+$")
    level: int = Field(ge=0, le=5)
    requirement: str = Field(min_length=20, description="what must hold, in words")
    clause: str = Field(min_length=4, description="where the specification says so")
    fixture: str
    experiment: Experiment
    checks: list[str] = Field(min_length=1, description="each of them must have compared something")
    tolerance: ToleranceClass
    lanes: list[Lane] = Field(min_length=1)
    profile: Profile = Field(description="the smallest profile that runs it")


class _Fixtures(_Closed):
    base: dict[str, Any]
    fixtures: list[Fixture]


@cache
def cases() -> dict[str, Case]:
    """Every case by id, lowest level first. Raises VectorsError where the files break a rule."""
    found: dict[str, Case] = {}
    for level in range(6):
        for case in _read(TypeAdapter(list[Case]), f"L{level}.json"):
            if case.id in found:
                raise VectorsError(f"the case id {case.id} is used twice")
            if case.level != level or not case.id.startswith(f"L{level}-"):
                raise VectorsError(f"{case.id} of level {case.level} stands in L{level}.json")
            if case.fixture not in fixtures():
                raise VectorsError(f"{case.id} names the fixture {case.fixture!r}, which there is not")
            found[case.id] = case
    return found


@cache
def fixtures() -> dict[str, Fixture]:
    """Every fixture by id."""
    return {fixture.id: fixture for fixture in _fixtures_file().fixtures}


def config_of(fixture: Fixture, lane: Lane) -> Config:
    """The fixture's configuration in one lane."""
    return make_config(_fixtures_file().base, {**fixture.overrides, "precision": lane}, source=f"fixture {fixture.id}")


@cache
def tape(fixture: str) -> Mapping[str, np.ndarray]:
    """What goes in: see `alae_conformance.tape`."""
    return _load_arrays(HOME / "tapes" / f"{fixture}.npz")


@cache
def expected(case: str) -> Mapping[str, np.ndarray]:
    """What must come out: see `alae_conformance.experiments`."""
    return _load_arrays(HOME / "expected" / f"{case}.npz")


def _load_arrays(path: Path) -> Arrays:
    """The arrays of an .npz, without pickles."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def manifest_hash() -> str:
    """The hash of the manifest, and with it of every case and number."""
    return sha256((HOME / "manifest.json").read_bytes()).hexdigest()


def make_manifest() -> dict[str, str]:
    """The SHA-256 of every file there is."""
    files = sorted(path for path in HOME.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(HOME).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def verify() -> None:
    """Raise VectorsError unless every file is as the manifest says, and none is missing or new."""
    written = json.loads((HOME / "manifest.json").read_text("utf-8"))
    present = make_manifest()
    for name in sorted(written.keys() | present.keys()):
        if written.get(name) != present.get(name):
            state = "is missing" if name not in present else "is new" if name not in written else "has changed"
            raise VectorsError(f"{HOME / name} {state}: reinstall alae")


@cache
def _fixtures_file() -> _Fixtures:
    found: _Fixtures = _read(TypeAdapter(_Fixtures), "fixtures.json")
    version = found.base.get("specification")
    if version != SPECIFICATION:
        raise VectorsError(
            f"{HOME / 'fixtures.json'} follows version {version} of the specification, but this version of alae judges "
            f"by version {SPECIFICATION}: reinstall alae"
        )
    return found


def _read(adapter: TypeAdapter[Any], name: str) -> Any:
    try:
        return adapter.validate_json((HOME / name).read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise VectorsError(f"{HOME / name}: {where}: {problem['msg']}") from error
