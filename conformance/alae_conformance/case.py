"""Cases: the requirements that a backend must meet."""

from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from alae_conformance import case_files
from alae_conformance.covering import Row, is_in_standard, rows
from alae_conformance.experiments import EXPERIMENTS
from alae_conformance.experiments.experiment import Experiment
from alae_conformance.fixture import fixtures
from alae_conformance.tolerances import Lane, ToleranceClass

Profile = Literal["smoke", "standard", "full"]
#: each profile includes the one before
PROFILES: tuple[Profile, ...] = ("smoke", "standard", "full")


def _check_experiment(name: str) -> str:
    if name not in EXPERIMENTS:
        raise ValueError(f"{name!r} is not an experiment; choose from {', '.join(EXPERIMENTS)}")
    return name


class Case(case_files.ClosedModel):
    """One requirement: an experiment on a fixture, and the checks that its outcome must pass."""

    id: str = Field(pattern="^L[0-5]-[a-z-]+$")
    level: int = Field(ge=0, le=5)
    requirement: str = Field(min_length=20, description="what must hold, in words")
    clause: str = Field(min_length=4, description="where the specification says so")
    fixture: str
    experiment: Annotated[str, AfterValidator(_check_experiment)] = Field(json_schema_extra={"enum": list(EXPERIMENTS)})
    checks: list[str] = Field(min_length=1, description="each of them must have compared something")
    tolerance: ToleranceClass
    lanes: list[Lane] = Field(min_length=1)
    profile: Profile = Field(description="the smallest profile that runs it")
    full_lanes: list[Lane] = Field(default=[], description="those of its lanes in which only the profile full runs it")

    def profile_in(self, lane: Lane) -> Profile:
        """Return the smallest profile that runs the case in one of its lanes; smoke runs only float32 by default."""
        return "full" if lane in self.full_lanes else self.profile


@cache
def cases() -> dict[str, Case]:
    """Return every case by id, lowest level first. Raises SuiteError if a file breaks a rule."""
    by_id: dict[str, Case] = {}
    for level in range(6):
        for case in case_files.read_json(TypeAdapter(list[Case]), f"L{level}.json"):
            if case.id in by_id:
                raise case_files.SuiteError(f"the case id {case.id} is used twice")
            if case.level != level or not case.id.startswith(f"L{level}-"):
                raise case_files.SuiteError(f"L{level}.json contains {case.id}, which is of level {case.level}")
            if case.fixture not in fixtures():
                raise case_files.SuiteError(f"{case.id} names the fixture {case.fixture!r}, which does not exist")
            by_id[case.id] = case
    return by_id | {case.id: case for case in map(_array_case, rows().values())}


def _array_case(row: Row) -> Case:
    choices = row.choices
    return Case(
        id=f"L2-{row.id[:5]}-{row.id[5:]}",
        level=2,
        requirement="Initial weights, outputs, losses and gradients of a row of the covering array: "
        + ", ".join(f"{factor} {value}" for factor, value in choices.items()),
        clause="alae_core.config.Config",
        fixture=row.id,
        experiment="combined",
        checks=["exact", "forward", "losses", "gradients"],
        tolerance="gradient",
        lanes=[choices["precision"]],
        profile="standard" if is_in_standard(row) else "full",
    )


def experiment_of(case: Case) -> Experiment:
    """Return the experiment that a case runs."""
    return EXPERIMENTS[case.experiment]
