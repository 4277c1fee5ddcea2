"""`alae invert`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import (
    PICTURES,
    Averaged,
    BackendName,
    Device,
    Lod,
    ModelOrShipped,
    Source,
    locate_model,
    picture_out,
    require_ending,
)
from alae_cli.output import write_array, write_picture


def invert(
    model: ModelOrShipped = None,
    source: Source = None,
    count: Annotated[int, typer.Option(min=1, help="Maximum number of images.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Number of gradient steps.")] = 200,
    layers: Annotated[
        bool, typer.Option("--layers", help="Find a style for each layer, not one w for all (style models).")
    ] = False,
    out: Annotated[Path, picture_out(", or .npy: the w of each image, float32")] = Path("inverted.png"),
    lod: Lod = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Find the w of images by gradient steps on pixels and features of E, starting from E(x).

    Prints a table of errors over time, compared with E(x) alone and with a search from the mean of w.
    """
    require_ending(out, *PICTURES, ".npy")
    from alae_workbench.models.opening import open_model

    opened = open_model(locate_model(model), backend=backend, device=device, averaged=averaged, lod=lod, layers=layers)
    from alae_workbench.figures.grid import compose_grid
    from alae_workbench.models.inversion import invert as search
    from alae_workbench.runs.progress import show_progress

    alae = opened.model
    x, _ = opened.read_images(source, count)
    with show_progress(2 * steps, "steps") as advance:
        from_encoder = search(alae, x, steps=steps, layers=layers, tell=advance)
        if out.suffix == ".npy":
            write_array(out, iter([from_encoder.w]), len(from_encoder.w))
            return
        from_mean = search(alae, x, start="mean", steps=steps, layers=layers, tell=advance)
    from rich.console import Console
    from rich.table import Table

    table = Table("start", "step", "seconds", "mean (x − G(w))²", title_justify="left")
    for name, found in (("E(x)", from_encoder), ("mean of w", from_mean)):
        for step, seconds, error in _select_evenly(found.errors):
            table.add_row(name, str(step), f"{seconds:.1f}", f"{error:.4f}")
    Console().print(table)
    rows = [x, alae.reconstruct(x), from_encoder.images, from_mean.images]
    title = f"images; G(E(x)); after {steps} steps from E(x); after {steps} steps from the mean of w"
    write_picture(out, compose_grid([(title, rows)], opened.make_caption()))


def _select_evenly(errors: Sequence[tuple[int, float, float]], count: int = 5) -> list[tuple[int, float, float]]:
    """Return up to `count` of the errors at even intervals, including the first and the last."""
    places = {round(i * (len(errors) - 1) / (count - 1)) for i in range(count)}
    return [errors[place] for place in sorted(places)]
