"""`alae evaluate`, `alae measures` and `alae compare`."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import Averaged, BackendName, Device, Model, parse_list, require_ending
from alae_core import ArgumentError


def evaluate(
    model: Model,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            help="Take these measures or groups of measures, separated by commas; `alae measures` lists them.",
            show_default="all that need no large network",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Measure on the images of SOURCE, as for `alae train --data`.", show_default="the run's own"),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Use at most this many z, held-out images and samples.",
            show_default="all, and 10,000 samples",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Read the weights of Inception and LPIPS from this folder; missing files are downloaded into it.",
            show_default="weights in ALAE_CACHE or ~/.cache/alae",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the values to this .json file.", show_default=False)
    ] = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Measure a model: print a table and write the values into its run directory."""
    if out:
        require_ending(out, ".json")
    from alae_workbench.evaluation.registry import MEASURES, resolve_measures

    # Before a framework is imported, so that mistakes are reported at once.
    words = None if measures is None else parse_list("measures", measures, str)
    names = [] if words is None else resolve_measures(words)
    if weights is not None and not any("weights" in MEASURES[name].needs for name in names):
        raise ArgumentError("weights", "is for measures with downloaded weights, but `--measures` names none of them")
    from rich.console import Console
    from rich.table import Table

    from alae_core._support.files import write_atomically
    from alae_workbench.evaluation.records import record_evaluation
    from alae_workbench.models.opening import open_model
    from alae_workbench.runs.progress import counted

    opened = open_model(model, backend=backend, device=device, averaged=averaged)
    # Imports Keras, so only after `open_model` has chosen the framework.
    from alae_workbench.evaluation.evaluate import evaluate as measure

    evaluation = measure(opened, words, data=data, limit=count, weights=weights, progress=counted)
    table = Table(title=f"{opened.make_caption()} · {evaluation.against}", title_justify="left", show_header=False)
    for name, value in evaluation.measures.items():
        table.add_row(name, f"{value:.4f}", MEASURES[name].arrow, MEASURES[name].description)
    Console().print(table)
    for reason in dict.fromkeys(evaluation.refused.values()):
        names = [name for name, why in evaluation.refused.items() if why == reason]
        print(f"not measured: {', '.join(names)}: {reason}")
    written = record_evaluation(evaluation)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, evaluation.to_json())
    for path in filter(None, (written, out)):
        print(path)


def measures() -> None:
    """List the measures by group: names, which values are better, and when they are taken."""
    from itertools import groupby

    from rich.console import Console
    from rich.table import Table

    from alae_workbench.evaluation.registry import MEASURES

    moments = {
        "report": "with each report of a run",
        "checkpoint": "with each checkpoint of a run",
        "end": "at the end of a run",
    }
    needs = {"labels": "needs class labels", "weights": "downloads weights", "package": "needs alae\\[measures]"}
    table = Table.grid(padding=(0, 2))
    for group, rows in groupby(MEASURES.values(), lambda measure: measure.group):
        members = list(rows)
        notes = ["only on request"] if members[0].when == "request" else []
        notes += [needs[need] for need in members[0].needs]
        table.add_row(f"[bold]{group}[/bold]", "", f"[dim]{', '.join(notes)}[/dim]")
        for measure in members:
            moment = f"[dim]  ({moments[measure.when]})[/dim]" if measure.when in moments else ""
            table.add_row(f"  {measure.name}", measure.arrow, f"{measure.description}{moment}")
    Console().print(table)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories of `alae train`.", show_default=False)],
) -> None:
    """Compare the measures of runs in a table. `alae figure losses` plots their curves."""
    from rich.console import Console
    from rich.table import Table

    from alae_workbench.evaluation.records import compare_runs
    from alae_workbench.evaluation.registry import MEASURES

    measured = compare_runs(runs)
    names = [name for name in MEASURES if any(name in numbers for numbers in measured.values())]
    table = Table("measure", "", *measured, title_justify="left")
    for name in names:
        values = [numbers.get(name) for numbers in measured.values()]
        present = [value for value in values if value is not None]
        better = MEASURES[name].better
        best = {"lower": min, "higher": max}[better](present) if better and len(present) > 1 else None
        cells = ["" if value is None else f"{value:.4f}" for value in values]
        marked = [f"[bold]{cell}[/bold]" if best == value else cell for cell, value in zip(cells, values, strict=True)]
        table.add_row(name, MEASURES[name].arrow, *marked)
    Console().print(table)
