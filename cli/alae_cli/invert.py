"""`alae invert`."""

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
    SkipBad,
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
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Find the w of images by gradient steps on pixels and features of E, starting from E(x).

    Prints a table of errors over time, compared with E(x) alone and with a search from the mean of w.
    """
    require_ending(out, *PICTURES, ".npy")
    from alae_workbench.models.opening import open_model

    opened = open_model(
        locate_model(model),
        backend=backend,
        device=device,
        averaged=averaged,
        lod=lod,
        layers=layers,
        skip_bad=skip_bad,
    )
    from alae_workbench.runs.progress import show_progress
    from alae_workbench.tasks.invert import invert

    compare = out.suffix != ".npy"
    with show_progress(2 * steps if compare else steps, "steps") as advance:
        inverted = invert(opened, source, count=count, steps=steps, layers=layers, compare=compare, tell=advance)
    if not compare:
        write_array(out, iter([inverted.w]), len(inverted.w))
        return
    from rich.console import Console
    from rich.table import Table

    rows = inverted.rows(5)
    table = Table(*rows[0], title_justify="left")
    for row in rows:
        start, step, seconds, error = row.values()
        table.add_row(start, str(step), f"{seconds:.1f}", f"{error:.4f}")
    Console().print(table)
    write_picture(out, inverted.draw())
