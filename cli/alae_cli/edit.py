"""`alae edit`."""

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
    Noise,
    SkipBad,
    Source,
    locate_model,
    parse_list,
    picture_out,
    require_ending,
)
from alae_cli.output import write_array, write_picture
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
    count: Annotated[int, typer.Option(min=1, help="Maximum number of images.")] = 8,
    out: Annotated[Path, picture_out(", or .npy: float32 (count, H, W, C) in [-1, 1]")] = Path("edited.png"),
    lod: Lod = None,
    noise: Noise = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Move images along directions in w, and draw them."""
    require_ending(out, *PICTURES, ".npy")
    moves = parse_list("direction", direction, _parse_move)
    from alae_workbench.models.opening import open_model

    opened = open_model(
        locate_model(model), backend=backend, device=device, averaged=averaged, lod=lod, noise=noise, skip_bad=skip_bad
    )
    from alae_workbench.tasks.edit import edit

    edited = edit(opened, source, moves, count=count, noise=noise or "fixed")
    if out.suffix == ".npy":
        write_array(out, iter([edited.edited]), len(edited.edited))
    else:
        write_picture(out, edited.draw())


def _parse_move(text: str) -> tuple[str, float]:
    name, _, amount = text.rpartition("=")
    try:
        if not name:
            raise ValueError(text)
        return name, float(amount)
    except ValueError as error:
        raise ArgumentError("direction", f"is {text}; it must be NAME=AMOUNT, such as smile=2.5") from error
