"""`alae directions fit` and `list`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alae_cli.commands import Commands
from alae_cli.options import Averaged, BackendName, Device, Model, ModelOrShipped, locate_model
from alae_core import AlaeError, ArgumentError

if TYPE_CHECKING:
    from alae_workbench.models.directions import Direction

directions = Commands(name="directions", help="Find directions in w, and list those of a run.")


@directions.command()
def fit(
    model: Model,
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
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Find directions in w, and save them in the run's directory."""
    if data and method not in ("svm", "shift"):
        raise ArgumentError("data", f"is {data}, but only the methods svm and shift use labelled images, not {method}")
    from alae_core.run_archive import find_archive
    from alae_workbench.storage.directory import Run

    run = Run.find(model)
    if find_archive(run.path):
        raise AlaeError(
            f"{model} is a .zip, in which directions cannot be saved: find them in the run, and export it again"
        )
    from alae_workbench.models.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged, method=method)
    from alae_workbench.models.directions import (
        find_factorized_directions,
        find_principal_directions,
        fit_label_directions,
        save_directions,
    )

    if method == "principal":
        found = find_principal_directions(opened.model)
    elif method == "factorized":
        found = find_factorized_directions(opened.model)
    else:
        found = fit_label_directions(opened, opened.load_images(data) if data else opened.load_data().train, method)
    folder = save_directions(run, found)
    _print_table(found)
    print(f"{folder}: {len(found)} directions")


@directions.command("list")
def list_directions(run: ModelOrShipped = None) -> None:
    """List the directions of a run, and the angles between them."""
    from alae_workbench.models.directions import load_directions
    from alae_workbench.storage.directory import Run

    path = locate_model(run)
    found = load_directions(Run.find(path))
    if not found:
        raise AlaeError(f"{path} has no directions yet: find some with `alae directions fit {path}`")
    _print_table(found)


def _print_table(directions: "Sequence[Direction]") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from alae_workbench.models.directions import compute_angles

    # Names stay whole, because `alae edit` needs them: few columns, so that most names fit in 80 characters.
    origins = {direction.origin for direction in directions}
    table = Table(
        Column("direction", no_wrap=True),
        "held-out accuracy",
        "effect in σ",
        Column("nearest other", overflow="fold"),
        *(["method"] if len(origins) > 1 else []),
    )
    angles = compute_angles(directions)
    for i, direction in enumerate(directions):
        others = [(min(a, 180 - a), directions[j].name) for j, a in enumerate(angles[i]) if j != i]
        nearest = f"{min(others)[1]}, {min(others)[0]:.0f}°" if others else ""
        accuracy = "" if direction.accuracy is None else f"{direction.accuracy:.3f}"
        effect = "" if direction.effect is None else f"{direction.effect:.2f}"
        table.add_row(direction.name, accuracy, effect, nearest, *([direction.origin] if len(origins) > 1 else []))
    console = Console()
    console.print(table)
    if len(origins) == 1:
        console.print(f"method: {directions[0].origin}")
