"""`alae directions`, `alae edit` and `alae invert`: moving images in w, and finding their w."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alae_cli.commands import Commands
from alae_cli.figure import write
from alae_cli.options import Averaged, BackendName, Device, Model, require_ending
from alae_core import AlaeError

if TYPE_CHECKING:
    from alae_workbench.models.directions import Direction

directions = Commands(help="Directions in w: find them, and list those beside a run.")


@directions.command("fit")
def fit(
    model: Model,
    labels: Annotated[
        str | None,
        typer.Option(
            help="labelled images: class folders, a .csv beside images, or whatever `alae train --data` takes",
            show_default="the run's own training images",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="svm: a class or attribute each; principal: components of w; factorized: of G's first style layers"
        ),
    ] = "svm",
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Find directions, and keep them beside the run."""
    if method not in ("svm", "principal", "factorized"):
        raise AlaeError(f"--method is {method}: it should be svm, principal or factorized")
    from alae_workbench.models.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged, method=method)
    from alae_workbench.models.directions import (
        find_factorized_directions,
        find_principal_directions,
        fit_label_directions,
        save_directions,
    )

    if opened.run is None:
        raise AlaeError(f"{model} lies in no run, beside which directions could be kept")
    if method == "svm":
        found = fit_label_directions(opened, opened.load_images(labels) if labels else opened.load_data().train)
    else:
        found = {"principal": find_principal_directions, "factorized": find_factorized_directions}[method](opened.model)
    folder = save_directions(opened.run, found)
    _table(found)
    print(f"{folder}: {len(found)} directions")


@directions.command("list")
def list_(run: Annotated[Path, typer.Argument(help="a run", show_default=False)]) -> None:
    """List the directions beside a run, and the angles between them."""
    from alae_workbench.models.directions import load_directions
    from alae_workbench.storage.directory import Run

    found = load_directions(Run.of(run))
    if not found:
        raise AlaeError(f"{run} has no directions yet: `alae directions fit {run}` finds some")
    _table(found)


def edit(
    model: Model,
    images: Annotated[str, typer.Argument(help="an image file or a folder of images", show_default=False)],
    direction: Annotated[
        list[str],
        typer.Option(
            help="NAME=AMOUNT or FILE.npy=AMOUNT; 1 is a standard deviation of w along it; several add up",
            show_default=False,
        ),
    ],
    count: Annotated[int, typer.Option(min=1, help="how many images at the most")] = 8,
    out: Annotated[
        Path, typer.Option(help="a .png, .svg or .pdf, or .npy: float32 (count, H, W, C) in [-1, 1]")
    ] = Path("edited.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Encode images, move them along directions in w, and draw them."""
    require_ending(out, ".png", ".svg", ".pdf", ".npy")
    pairs = [_amount(word) for word in direction]
    from alae_workbench.models.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged)
    from alae_cli.generate import write_parts
    from alae_workbench.data.derived import take_first
    from alae_workbench.figures.grid import compose_grid
    from alae_workbench.models.directions import load_direction
    from alae_workbench.models.mixing import make_latents

    width = opened.model.config.networks.w
    found = [(load_direction(name, width, opened.run), amount) for name, amount in pairs]
    source = opened.load_images(images)
    source = take_first(source, min(count, len(source)))
    x, _ = opened.read_images(source)
    w = make_latents(opened.model, [source])
    moved = w
    for each, amount in found:
        moved = each.move(moved, amount)
    edited = opened.model.generate(moved)
    if out.suffix == ".npy":
        write_parts(out, iter([edited]), len(edited))
        return
    said = ", ".join(f"{each.name} {amount:+g}" for each, amount in found)
    rows = list(zip(x, opened.model.generate(w), edited, strict=True))
    write(out, compose_grid([(f"image, reconstruction, edited: {said}", rows)], opened.make_caption()))


def invert(
    model: Model,
    images: Annotated[
        str | None,
        typer.Argument(
            help="an image file or a folder of images; by default the run's own held-out images", show_default=False
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="how many images at the most")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="gradient steps")] = 200,
    layers: Annotated[bool, typer.Option("--layers", help="style models: a style for each layer, not one w")] = False,
    out: Annotated[Path, typer.Option(help="a .png, .svg or .pdf, or .npy: the w found")] = Path("inverted.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Find the w that G draws images from: E's answer, improved by gradient steps on pixels and features of E.

    Compared with E alone, and with a search from the mean of w: a table of errors over seconds.
    """
    require_ending(out, ".png", ".svg", ".pdf", ".npy")
    from alae_workbench.models.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged, layers=layers)
    from alae_cli.generate import write_parts
    from alae_workbench.figures.grid import compose_grid
    from alae_workbench.models.inversion import invert as search
    from alae_workbench.runs.progress import counted

    x, _ = opened.read_images(images, count)
    with counted(2 * steps, "steps") as tell:
        both = search(opened.model, x, steps=steps, layers=layers, tell=tell)
        if out.suffix == ".npy":
            write_parts(out, iter([both.w]), len(both.w))
            return
        alone = search(opened.model, x, start="mean", steps=steps, layers=layers, tell=tell)
    first = opened.model.reconstruct(x)
    from rich.console import Console
    from rich.table import Table

    table = Table("from", "step", "seconds", "mean (x − G(w))²", title_justify="left")
    for name, found in (("E(x)", both), ("mean of w", alone)):
        for step, seconds, error in _some(found.errors):
            table.add_row(name, str(step), f"{seconds:.1f}", f"{error:.4f}")
    Console().print(table)
    rows = [x, first, both.images, alone.images]
    title = f"images; G(E(x)); improved from there by {steps} steps; as many steps from the mean of w"
    write(out, compose_grid([(title, rows)], opened.make_caption()))


def _table(found: "Sequence[Direction]") -> None:
    from rich.console import Console
    from rich.table import Table

    from alae_workbench.models.directions import compute_angles

    table = Table("direction", "held-out accuracy", "effect in σ", "nearest other", "found by", title_justify="left")
    between = compute_angles(found)
    for i, each in enumerate(found):
        others = [(min(a, 180 - a), found[j].name) for j, a in enumerate(between[i]) if j != i]
        close = f"{min(others)[1]}, {min(others)[0]:.0f}°" if others else ""
        accuracy = "" if each.accuracy is None else f"{each.accuracy:.3f}"
        effect = "" if each.effect is None else f"{each.effect:.2f}"
        table.add_row(each.name, accuracy, effect, close, each.origin)
    Console().print(table)


def _amount(word: str) -> tuple[str, float]:
    name, equals, amount = word.rpartition("=")
    try:
        if not equals or not name:
            raise ValueError
        return name, float(amount)
    except ValueError as error:
        raise AlaeError(f"--direction {word} must be NAME=AMOUNT, such as smile=2.5") from error


def _some(errors: list[tuple[int, float, float]], most: int = 5) -> list[tuple[int, float, float]]:
    places = {round(i * (len(errors) - 1) / max(most - 1, 1)) for i in range(most)}
    return [errors[place] for place in sorted(places)]
