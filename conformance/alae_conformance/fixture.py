"""Fixtures: the small models that cases run on."""

from functools import cache
from typing import Any

from pydantic import Field, TypeAdapter

from alae_conformance import case_files
from alae_conformance.covering import Row, overrides_of, rows
from alae_conformance.tolerances import Lane, precision_of
from alae_core.config import Config, make_config
from alae_core.config_data import SPECIFICATION


class Fixture(case_files.ClosedModel):
    """A small model, and how its inputs were drawn."""

    id: str = Field(pattern="^[a-z]+$")
    shows: str = Field(description="the faults that this fixture reveals and others hide")
    overrides: dict[str, Any] = Field(
        description="overrides of the base configuration by dotted key; the seed determines the z of every step"
    )
    logits: float = Field(description="the standard deviation that D's logits are scaled to")
    levels: list[tuple[int, float]] = Field(
        [], description="the levels and blends at which style networks are compared"
    )
    grown: list[int] = Field([], description="the steps after which a run of style networks is compared")
    microbatch: int | None = Field(default=None, description="images in one pass in the lane microbatch")
    seeds: int = Field(0, description="the number of additional initial weights, for statistics over seeds")


class _FixturesFile(case_files.ClosedModel):
    base: dict[str, Any]
    fixtures: list[Fixture]


@cache
def fixtures() -> dict[str, Fixture]:
    """Return every fixture by id. Raises SuiteError if fixtures.json is damaged or of another specification."""
    return {fixture.id: fixture for fixture in (*_read_fixtures().fixtures, *map(array_fixture, rows().values()))}


def array_fixture(row: Row) -> Fixture:
    """Return a row of the covering array as a fixture, which has no tape."""
    levels = [(1, 0.375)] if row.choices["networks.family"] == "style" else []
    return Fixture(
        id=row.id,
        shows=f"the choices {row.choices}",
        overrides=overrides_of(row.choices),
        logits=3.0,
        levels=levels,
        grown=[],
        seeds=0,
    )


def config_of(fixture: Fixture, lane: Lane) -> Config:
    """Return the fixture's configuration in one lane."""
    return make_config(
        _read_fixtures().base, {**fixture.overrides, "precision": precision_of(lane)}, source=f"fixture {fixture.id}"
    )


@cache
def _read_fixtures() -> _FixturesFile:
    content = case_files.read_json(TypeAdapter(_FixturesFile), "fixtures.json")
    version = content.base.get("specification")
    if version != SPECIFICATION:
        raise case_files.SuiteError(
            f"{case_files.HOME / 'fixtures.json'} follows version {version} of the specification, but this version of "
            f"alae implements version {SPECIFICATION}: reinstall alae"
        )
    return content
