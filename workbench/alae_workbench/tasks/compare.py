"""`alae compare`: the measures of several runs side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alae_core._support.html import make_table, make_title
from alae_workbench.evaluation.doubts import list_doubts
from alae_workbench.evaluation.records import compare_runs, describe_measure
from alae_workbench.evaluation.registry import MEASURES
from alae_workbench.models.shipped import SHIPPED, locate_model
from alae_workbench.storage.directory import Summary


@dataclass(frozen=True, repr=False)
class Comparison:
    """Measures of several runs.

    Attributes:
        measures: values by run and by name of the measure.
        levels: the level of detail of each run, such as "8×8". Runs at different levels are not ranked: images of fewer
            pixels have lower errors.
        images: numbers of images of each run, as in `Evaluation`; empty if unknown.
    """

    measures: Mapping[str, Mapping[str, float]]
    levels: Mapping[str, str]
    images: Mapping[str, Mapping[str, int]]

    @property
    def names(self) -> list[str]:
        """The names of the measures that any run has, in the order of the table of measures."""
        return [name for name in MEASURES if any(name in values for values in self.measures.values())]

    @property
    def alike(self) -> bool:
        """Whether all runs are at the same level of detail, so that they can be ranked."""
        return len(set(self.levels.values())) == 1

    def __repr__(self) -> str:
        return f"<{len(self.names)} measures of {', '.join(self.measures)}>"

    def find_best(self, name: str) -> float | None:
        """Return the best value of a measure.

        None if models cannot be ranked by it, the runs have different levels of detail, or only one run has it.
        """
        better = MEASURES[name].better
        values = [values[name] for values in self.measures.values() if name in values]
        return {"lower": min, "higher": max}[better](values) if better and self.alike and len(values) > 1 else None

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat dictionary for each measure, with a column for each run, such as for `pandas.DataFrame`."""
        return [
            {**describe_measure(name), **{run: values.get(name) for run, values in self.measures.items()}}
            for name in self.names
        ]

    def _repr_html_(self) -> str:
        levels = ", ".join(f"{run} at {level}" for run, level in self.levels.items())
        doubts = [
            f"{run} {doubt}" for run, values in self.measures.items() for doubt in list_doubts(values, self.images[run])
        ]
        return make_table(self.rows(), f"level of detail: {levels}") + "".join(map(make_title, doubts))


def compare(runs: Sequence[Summary | str | Path]) -> Comparison:
    """Compare the measures of runs: those of their last evaluation, and others from the end of training.

    `runs` may include "shipped", for the model that ships with alae.

    Raises AlaeError if a path is not a run, or has no measures.
    """
    places = [run.path if isinstance(run, Summary) else locate_model(Path(run)) for run in runs]
    compared = {
        SHIPPED.name if run == str(SHIPPED) else run: measures for run, measures in compare_runs(places).items()
    }
    return Comparison(
        {run: found.measures for run, found in compared.items()},
        {run: found.level for run, found in compared.items()},
        {run: found.images for run, found in compared.items()},
    )
