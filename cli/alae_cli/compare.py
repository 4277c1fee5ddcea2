"""`alae compare`: compare the measures of several runs."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run directories of `alae train`, or `shipped` for the model that ships with alae.", show_default=False
        ),
    ],
) -> None:
    """Compare the measures of runs in a table. `alae figure losses` plots their curves."""
    from rich.console import Console
    from rich.table import Table

    from alae_workbench.evaluation.doubts import format_value, list_doubts
    from alae_workbench.evaluation.registry import MEASURES
    from alae_workbench.tasks.compare import compare

    comparison = compare(runs)
    table = Table("measure", "", *comparison.measures, title_justify="left")
    table.add_row("level of detail", "", *comparison.levels.values())
    for name in comparison.names:
        values, best = [values.get(name) for values in comparison.measures.values()], comparison.find_best(name)
        cells = [
            format_value(name, values, comparison.images[run]) if name in values else ""
            for run, values in comparison.measures.items()
        ]
        marked = [f"[bold]{cell}[/bold]" if best == value else cell for cell, value in zip(cells, values, strict=True)]
        table.add_row(name, MEASURES[name].arrow, *marked)
    Console().print(table)
    for run, measures in comparison.measures.items():
        for doubt in list_doubts(measures, comparison.images[run]):
            print(f"{run} {doubt}")
    if not comparison.alike:
        print("the best values are not marked, because the runs are at different levels of detail")
