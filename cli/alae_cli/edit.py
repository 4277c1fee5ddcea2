"""`alae edit`."""

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
    Noise,
    SaveW,
    SkipBad,
    Source,
    images_out,
    locate_model,
    parse_list,
)
from alae_cli.out import is_figure, require_images_out
from alae_cli.output import locate_latents, write_array, write_images, write_picture
from alae_core import ArgumentError


def edit(
    model: ModelOrShipped = None,
    source: Source = None,
    direction: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=AMOUNT,…",
            help="A direction of the run, or a .npy file, and how far to move along it, in standard deviations of w. "
            "Several add up.",
            show_default="none, which lists the names",
        ),
    ] = None,
    count: Count = None,
    out: Annotated[Path, images_out()] = Path("edited.png"),
    save_w: SaveW = False,
    lod: Lod = None,
    noise: Noise = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Move images along directions in w, and draw them, or write them as arrays or pictures."""
    require_images_out(out, source)
    drawn = is_figure(out, count)
    moves = parse_list("direction", direction, _parse_move)
    from alae_workbench.models.opening import open_model

    opened = open_model(
        locate_model(model), backend=backend, device=device, averaged=averaged, lod=lod, noise=noise, skip_bad=skip_bad
    )
    from alae_workbench.tasks.edit import edit, edit_in_batches

    count, noise = count or 8, noise or "fixed"
    if drawn:
        edited = edit(opened, source, moves, count=count, noise=noise)
        write_picture(out, edited.draw())
        if save_w:
            write_array(locate_latents(out), iter([edited.moved]), len(edited.moved))
        return
    from alae_workbench.data.derived import take_first
    from alae_workbench.data.source import get_names
    from alae_workbench.figures.image_files import name_by_source

    images = take_first(opened.load_images(source), count)
    names = name_by_source(get_names(images), len(images))
    write_images(out, edit_in_batches(opened, images, moves, noise=noise), len(images), names, save_w)


def _parse_move(text: str) -> tuple[str, float]:
    name, _, amount = text.rpartition("=")
    try:
        if not name:
            raise ValueError(text)
        return name, float(amount)
    except ValueError as error:
        raise ArgumentError("direction", f"is {text}; it must be NAME=AMOUNT, such as smile=2.5") from error
