"""`alae evaluate` and `alae compare`: how good a model is, and which of several."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import Averaged, BackendName, Device, Model, require_ending


def evaluate(
    model: Model,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="measures or groups of them, separated by commas; `alae measures` lists them",
            show_default="all that need no large network",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="images as for `alae train --data`", show_default="the run's own"),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=2, help="z, held-out images and samples at the most", show_default="all, and 10,000 samples"),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="folder of the weights of Inception and LPIPS; what is missing is fetched into it",
            show_default="below ALAE_CACHE",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="a .json file, besides the run's own", show_default=False)] = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Measure a model: a table, a file beside the run, and a line in its metrics.jsonl."""
    if out:
        require_ending(out, ".json")
    from rich.console import Console
    from rich.table import Table

    from alae_core._support.files import write_whole
    from alae_workbench.evaluation.records import record
    from alae_workbench.models.opening import open_model

    words = [word.strip() for word in metrics.split(",")] if metrics is not None else None
    opened = open_model(model, backend=backend, device=device, averaged=averaged)
    from alae_workbench.evaluation.evaluate import evaluate as measure
    from alae_workbench.evaluation.registry import MEASURES
    from alae_workbench.runs.progress import counted

    found = measure(opened, words, against=against, count=count, weights=weights, tell=counted)
    table = Table(title=f"{opened.make_caption()} · {found.against}", title_justify="left", show_header=False)
    for name, value in found.measures.items():
        table.add_row(name, f"{value:.4f}", MEASURES[name].arrow, MEASURES[name].label)
    console = Console()
    console.print(table)
    for reason in dict.fromkeys(found.refused.values()):
        names = [name for name, why in found.refused.items() if why == reason]
        print(f"not measured: {', '.join(names)}: {reason}")
    written = record(found)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, found.to_json())
    for path in filter(None, (written, out)):
        print(path)


def measures() -> None:
    """List what a model can be measured by, group by group."""
    from itertools import groupby

    from rich.console import Console
    from rich.table import Table

    import alae_workbench.evaluation  # noqa: F401 - fills the table
    from alae_workbench.evaluation.registry import MEASURES

    moments = {
        "report": "  (in a run: each report)",
        "checkpoint": "  (in a run: each checkpoint)",
        "end": "  (at the end of a run)",
    }
    table = Table.grid(padding=(0, 2))
    for group, each_of in groupby(MEASURES.values(), lambda each: each.group):
        own = list(each_of)
        table.add_row(f"[bold]{group}[/bold]", "", "only when named" if own[0].when == "named" else "")
        for each in own:
            table.add_row(f"  {each.name}", each.arrow, f"{each.label}[dim]{moments.get(each.when, '')}[/dim]")
    Console().print(table)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="runs of `alae train`", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="a .png, .svg or .pdf of their curves", show_default=False)] = None,
) -> None:
    """Show what is known of several runs in one table, and draw their curves."""
    if out:
        require_ending(out, ".png", ".svg", ".pdf")
    from rich.console import Console
    from rich.table import Table

    from alae_workbench.evaluation.records import compared
    from alae_workbench.evaluation.registry import MEASURES

    found = compared(runs)
    names = [name for name in MEASURES if any(name in numbers for numbers in found.values())]
    table = Table("measure", "", *found, title_justify="left")
    for name in names:
        values = [numbers.get(name) for numbers in found.values()]
        known = [value for value in values if value is not None]
        better = MEASURES[name].better
        best = {"lower": min, "higher": max}[better](known) if better and len(known) > 1 else None
        cells = ["" if value is None else f"{value:.4f}" for value in values]
        marked = [f"[bold]{cell}[/bold]" if best == value else cell for cell, value in zip(cells, values, strict=True)]
        table.add_row(name, MEASURES[name].arrow, *marked)
    Console().print(table)
    if out:
        from alae_workbench.figures.plots import plot_curves
        from alae_workbench.figures.save import save_figure

        save_figure(out, plot_curves(runs))
        print(out)
