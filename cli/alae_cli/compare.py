"""`alae compare`: compare the measures of several runs."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories of `alae train`.", show_default=False)],
) -> None:
    """Compare the measures of runs in a table. `alae figure losses` plots their curves."""
    from rich.console import Console
    from rich.table import Table

    from alae_workbench.evaluation.records import compare_runs
    from alae_workbench.evaluation.registry import MEASURES

    compared = compare_runs(runs)
    levels = [run.level for run in compared.values()]
    alike = len(set(levels)) == 1
    table = Table("measure", "", *compared, title_justify="left")
    table.add_row("level of detail", "", *levels)
    for name in MEASURES:
        values = [run.measures.get(name) for run in compared.values()]
        present = [value for value in values if value is not None]
        if not present:
            continue
        better = MEASURES[name].better
        best = {"lower": min, "higher": max}[better](present) if better and alike and len(present) > 1 else None
        cells = ["" if value is None else f"{value:.4f}" for value in values]
        marked = [f"[bold]{cell}[/bold]" if best == value else cell for cell, value in zip(cells, values, strict=True)]
        table.add_row(name, MEASURES[name].arrow, *marked)
    Console().print(table)
    if not alike:
        print("the best values are not marked, because the runs are at different levels of detail")
