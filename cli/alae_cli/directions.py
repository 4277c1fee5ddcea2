"""`alae directions fit` and `list`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alae_cli.commands import Commands
from alae_cli.options import Averaged, BackendName, Device, LabelsFrom, ModelOrShipped, SkipBad, locate_model
from alae_core._support.text import count_things

if TYPE_CHECKING:
    from alae_workbench.tasks.directions import Directions

directions = Commands(name="directions", help="Find directions in w, and list those of a run.")


@directions.command()
def fit(
    model: ModelOrShipped = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled images for svm and shift: class folders, a .csv beside images, or what `alae train --data` "
            "takes.",
            show_default="the run's training images",
        ),
    ] = None,
    method: Annotated[
        Literal["svm", "shift", "principal", "factorized"],
        typer.Option(
            help="svm finds the direction that tells each class or attribute from the others best; shift finds the "
            "difference of their means, for edits; principal finds components of w; factorized finds components of "
            "G's first style layers (style models)."
        ),
    ] = "svm",
    labels: LabelsFrom = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to save the directions to; the shipped model needs one.",
            show_default="directions in the run's directory",
        ),
    ] = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Find directions in w, and save them in the run's directory, or in another folder as .npy files."""
    path = locate_model(model)
    from alae_workbench.models.shipped import find_run_for_directions

    place = out or find_run_for_directions(path).path / "directions"
    from alae_workbench.models.opening import open_model

    opened = open_model(
        path,
        backend=backend,
        device=device,
        averaged=averaged,
        method=method,
        data=data,
        labels=labels,
        skip_bad=skip_bad,
    )
    from alae_workbench.tasks import directions

    found = directions.fit(opened, data, method, labels=labels, out=out)
    _print_table(found)
    print(f"{place}: {count_things(len(found), 'direction')}")


@directions.command("list")
def list_directions(run: ModelOrShipped = None) -> None:
    """List the directions of a run, and the angles between them."""
    from alae_workbench.tasks import directions

    _print_table(directions.read(locate_model(run)))


def _print_table(directions: "Directions") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    # Names stay whole, because `alae edit` needs them: few columns, so that most names fit in 80 characters.
    rows = directions.rows()
    origins = {row["method"] for row in rows}
    table = Table(
        Column("direction", no_wrap=True),
        "held-out accuracy",
        "effect in σ",
        Column("nearest other", overflow="fold"),
        *(["method"] if len(origins) > 1 else []),
    )
    for row in rows:
        nearest = f"{row['nearest']}, {row['angle']:.0f}°" if row["nearest"] else ""
        accuracy = "" if row["accuracy"] is None else f"{row['accuracy']:.3f}"
        effect = "" if row["effect"] is None else f"{row['effect']:.2f}"
        table.add_row(row["direction"], accuracy, effect, nearest, *([row["method"]] if len(origins) > 1 else []))
    console = Console()
    console.print(table)
    if len(origins) == 1:
        console.print(f"method: {rows[0]['method']}")
