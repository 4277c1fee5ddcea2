"""`alae evaluate`: measure a model."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import (
    Averaged,
    BackendName,
    Device,
    LabelsFrom,
    ModelOrShipped,
    SharedBy,
    SkipBad,
    locate_model,
    parse_list,
)
from alae_cli.out import require_ending
from alae_core import ArgumentError


def evaluate(
    model: ModelOrShipped = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            help="Take these measures or groups of measures, separated by commas; `alae measures` lists them.",
            show_default="all that need no large network",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Measure on the images of SOURCE, as for `alae train --data`; the shipped model needs it.",
            show_default="the run's own",
        ),
    ] = None,
    labels: LabelsFrom = None,
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
            show_default="weights in the cache, see docs/cluster.md",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the values to this .json file.", show_default=False)
    ] = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
    devices: SharedBy = None,
) -> None:
    """Measure a model: print a table and write the values into its run directory."""
    if out:
        require_ending(out, ".json")
    from alae_workbench.evaluation.registry import MEASURES, resolve_measures

    # Check before a framework is imported, so that mistakes are reported at once.
    words = None if measures is None else parse_list("measures", measures, str)
    names = [] if words is None else resolve_measures(words)
    if weights is not None and not any("weights" in MEASURES[name].needs for name in names):
        raise ArgumentError("weights", "is for measures with downloaded weights, but `--measures` names none of them")
    from rich.console import Console
    from rich.table import Table

    from alae_core._support.files import write_atomically
    from alae_workbench.evaluation.doubts import format_value, list_doubts
    from alae_workbench.models.opening import open_model
    from alae_workbench.runs.progress import show_progress

    opened = open_model(
        locate_model(model), backend=backend, device=device, devices=devices, averaged=averaged, skip_bad=skip_bad
    )
    # Imports Keras, so only after `open_model` has chosen the framework.
    from alae_workbench.tasks.evaluate import evaluate, record_if_possible

    evaluation = evaluate(
        opened,
        words,
        data=data,
        labels=labels,
        count=count,
        weights=weights,
        record=False,
        progress=show_progress,
    )
    if out:
        # First, because the run may be read-only.
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, evaluation.to_json())
    table = Table(title=f"{opened.make_caption()} · {evaluation.against}", title_justify="left", show_header=False)
    for name in evaluation.measures:
        value = format_value(name, evaluation.measures, evaluation.images)
        table.add_row(name, value, MEASURES[name].arrow, MEASURES[name].description)
    Console().print(table)
    for doubt in list_doubts(evaluation.measures, evaluation.images):
        print(doubt)
    if conclusion := evaluation.conclude():
        print(conclusion)
    for reason in dict.fromkeys(evaluation.refused.values()):
        names = [name for name, why in evaluation.refused.items() if why == reason]
        print(f"not measured: {', '.join(names)}: {reason}")
    written, reason = record_if_possible(evaluation)
    for path in filter(None, (written, out)):
        print(path)
    if reason:
        print(reason if out else f"{reason}; --out writes them to a file")
