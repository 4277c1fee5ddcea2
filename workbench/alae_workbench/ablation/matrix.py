"""The runs of an ablation: a matrix of variants and seeds, read from YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, Strict

from alae_core import AlaeError, ConfigError
from alae_core._support.text import suggest
from alae_core._support.validation import Frozen, validate
from alae_core._support.yaml_text import read_text, read_yaml
from alae_workbench.evaluation.registry import MEASURES, resolve_measures
from alae_workbench.runs.settings import Experiment, load_experiment

_PACKAGE = "alae_workbench.ablation"


class Ablation(Frozen):
    """A matrix of runs: every variant from every seed."""

    description: str = ""
    base: str = Field(description="the preset or YAML file that all runs start from")
    overrides: dict[str, Any] = Field({}, description="changes to it in all runs, by dotted key")
    seeds: Annotated[tuple[NonNegativeInt, ...], Strict(False)] = Field((0,), min_length=1)
    variants: dict[Annotated[str, Field(pattern=r"^[\w.+-]+$")], dict[str, Any]] = Field(
        min_length=1, description="by name the changes of each variant, by dotted key"
    )
    measures: Annotated[tuple[str, ...], Strict(False)] = Field(
        (), description="measures and groups to take; empty for all that need no large network"
    )
    table: Annotated[tuple[str, ...], Strict(False)] = Field((), description="columns of the table; empty for all")

    def experiment(self, variant: str, seed: int) -> Experiment:
        """Return the settings of one run. Raises ConfigError."""
        return load_experiment(self.base, {**self.overrides, **self.variants[variant], "seed": seed})


@dataclass(frozen=True)
class Cell:
    """One run of an ablation."""

    variant: str
    seed: int
    path: Path


def load_ablation(
    source: str | Path,
    *,
    base: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    seeds: Sequence[int] | None = None,
) -> Ablation:
    """Read an ablation.

    Args:
        source: the name of an ablation that ships with alae, or the path of a YAML file.
        base: another preset or file for all runs. The ablation's own overrides, which belong to its base, are dropped.
        overrides: further overrides, by dotted key.
        seeds: seeds to use instead of the ablation's own.

    Raises ConfigError if the name is unknown, a field is invalid, or a measure is unknown.
    """
    path = Path(source)
    if path.suffix in (".yaml", ".yml") or path.exists():
        text = read_text(path)
    else:
        names = list_ablations()
        if str(source) not in names:
            raise ConfigError(
                f"there is no ablation {str(source)!r}{suggest(str(source), names)}; ablations: {', '.join(names)}, or "
                "a YAML file"
            )
        text = files(_PACKAGE).joinpath(f"{source}.yaml").read_text("utf-8")
    data = read_yaml(text, str(source))
    own = data.get("overrides", {}) if base is None else {}
    if overrides and isinstance(own, dict):
        own = {**own, **overrides}
    changes = {"base": base or data.get("base"), "overrides": own, "seeds": list(seeds or ()) or data.get("seeds")}
    changed = {**data, **{name: value for name, value in changes.items() if value is not None}}
    ablation = validate(Ablation, changed, str(source))
    _require_measures(ablation, str(source))
    return ablation


def _require_measures(ablation: Ablation, source: str) -> None:
    """Raise ConfigError if a measure is unknown, before any run is trained."""
    try:
        resolve_measures(ablation.measures)
    except AlaeError as error:
        raise ConfigError(f"{source}: measures: {error}") from error
    for name in ablation.table:
        if name not in MEASURES:
            raise ConfigError(f"{source}: table: there is no measure {name!r}{suggest(name, list(MEASURES))}")


def list_ablations() -> list[str]:
    """Return the names of the ablations that ship with alae, sorted."""
    entries = files(_PACKAGE).iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


def list_cells(ablation: Ablation, out: Path) -> list[Cell]:
    """Return every run, seed by seed, so that an interrupted ablation has all variants of its finished seeds."""
    return [
        Cell(variant, seed, out / variant / f"seed-{seed}") for seed in ablation.seeds for variant in ablation.variants
    ]
