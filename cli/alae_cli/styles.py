"""`alae mix` and `interpolate`: what lies between two w."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alae_cli.models import write
from alae_cli.options import Averaged, BackendName, Device, Model, require_ending
from alae_core import AlaeError, ArgumentError

if TYPE_CHECKING:
    from alae_workbench.data.source import Source
    from alae_workbench.opening import Opened

# A row of more would be too long to look at.
_MOST = 8


def mix(
    model: Model,
    rows: Annotated[
        str, typer.Option(help="seeds of samples, image files or folders (their first 8), separated by commas")
    ] = "0,1,2,3",
    columns: Annotated[str, typer.Option(help="the same for the columns")] = "4,5,6,7,8,9",
    layers: Annotated[
        Literal["coarse", "middle", "fine", "all"],
        typer.Option(help="which styles to take from the columns: a section for each of coarse, middle, fine, or one"),
    ] = "all",
    out: Annotated[Path, typer.Option(help="a .png grid")] = Path("mixing.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Mix styles: some layers' from the column, the others' from the row."""
    require_ending(out, ".png")
    from alae_workbench.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged, mixing=True)
    from alae_workbench.figures.styles import mixing_grid
    from alae_workbench.styles import latents, layer_ranges

    ranges = layer_ranges(opened.view.lod + 1 if opened.view else 0)
    if layers != "all":
        if layers not in ranges:
            raise ArgumentError("layers", f"is {layers}, but so small a model has only {' and '.join(ranges)} styles")
        ranges = {layers: ranges[layers]}
    left, above = (latents(opened.model, _sources(words.split(","), opened, most=_MOST)) for words in (rows, columns))
    picture = mixing_grid(opened.model, left, above, ranges, opened.caption())
    write(out, picture, f"{len(left)} rows × {len(above)} columns, {', '.join(ranges)} styles")


def interpolate(
    model: Model,
    corners: Annotated[
        list[str] | None,
        typer.Argument(
            help="2 (a row), 3 (a triangle) or 4 (a square): seeds of samples, image files or folders",
            show_default="0 1 2 3",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="how many images from corner to corner")] = 8,
    out: Annotated[Path, typer.Option(help="a .png grid")] = Path("interpolation.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Interpolate between images, or samples, in w."""
    require_ending(out, ".png")
    from alae_workbench.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged)
    from alae_workbench.figures.styles import interpolation_grid
    from alae_workbench.styles import latents

    w = latents(opened.model, _sources(corners or ["0", "1", "2", "3"], opened))
    picture = interpolation_grid(opened.model, w, count, opened.caption())
    write(out, picture, f"{len(w)} corners, {count} images from corner to corner")


def _sources(words: list[str], opened: "Opened", most: int | None = None) -> "list[int | Source]":
    from alae_core.latents import require_seed
    from alae_workbench.data.source import first

    sources: list[int | Source] = []
    for word in map(str.strip, words):
        if not word:
            raise AlaeError("a source is empty: it should be a seed, an image file or a folder of images")
        if word.isdecimal():
            sources.append(require_seed(int(word)))
        else:
            images = opened.images(word)
            sources.append(first(images, most or len(images)))
    return sources
