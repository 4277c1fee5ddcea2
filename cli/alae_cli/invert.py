"""`alae invert`."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import (
    Averaged,
    BackendName,
    Count,
    Device,
    Lod,
    ModelOrShipped,
    SaveW,
    SkipBad,
    Source,
    images_out,
    locate_model,
)
from alae_cli.out import is_figure, require_images_out
from alae_cli.output import locate_latents, write_array, write_images, write_picture


def invert(
    model: ModelOrShipped = None,
    source: Source = None,
    count: Count = None,
    steps: Annotated[int, typer.Option(min=1, help="Number of gradient steps.")] = 200,
    layers: Annotated[
        bool, typer.Option("--layers", help="Find a style for each layer, not one w for all (style models).")
    ] = False,
    out: Annotated[Path, images_out("the w of each image, float32")] = Path("inverted.png"),
    save_w: SaveW = False,
    lod: Lod = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Find the w of images by gradient steps on pixels and features of E, starting from E(x).

    With a figure, prints a table of errors over time, compared with E(x) alone and with a search from the mean of w.
    """
    require_images_out(out, source)
    drawn = is_figure(out, count)
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
    from alae_workbench.data.derived import take_first
    from alae_workbench.data.source import get_names
    from alae_workbench.figures.image_files import name_by_source
    from alae_workbench.runs.progress import show_progress
    from alae_workbench.tasks.invert import invert, invert_in_batches

    images = take_first(opened.load_images(source), count or 8)
    if not drawn:
        total = steps * len(list(opened.model.chunks(len(images), opened.view)))
        with show_progress(total, "steps") as advance:
            found = invert_in_batches(opened, images, steps=steps, layers=layers, tell=advance)
            if out.suffix == ".npy":
                write_array(out, (each.w for each in found), len(images))
            else:
                names = name_by_source(get_names(images), len(images))
                write_images(out, ((each.w, each.images) for each in found), len(images), names, save_w)
        return
    with show_progress(2 * steps, "steps") as advance:
        inverted = invert(opened, images, count=len(images), steps=steps, layers=layers, tell=advance)
    from rich.console import Console
    from rich.table import Table

    rows = inverted.rows(5)
    table = Table(*rows[0], title_justify="left")
    for row in rows:
        start, step, seconds, error = row.values()
        table.add_row(start, str(step), f"{seconds:.1f}", f"{error:.4f}")
    Console().print(table)
    write_picture(out, inverted.draw())
    if save_w:
        write_array(locate_latents(out), iter([inverted.w]), len(inverted.w))
