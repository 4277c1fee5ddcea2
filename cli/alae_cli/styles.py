"""`alae mix` and `interpolate`: what lies between two w."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alae_cli.models import describe, require_ending, write
from alae_cli.options import Averaged, BackendName, Device, Model, level, open_model, require_seed, require_style
from alae_core import AlaeError

if TYPE_CHECKING:
    from alae_core import Config
    from alae_workbench.data.images import Images

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
    checkpoint = open_model(model, averaged, backend, device)
    require_style(checkpoint.config, "mixing")
    from alae_workbench.figures.styles import latents, layer_ranges, mixing_grid

    alae, at = checkpoint.model, level(checkpoint)
    ranges = layer_ranges(at["lod"] + 1)
    if layers != "all":
        if layers not in ranges:
            raise AlaeError(f"--layers is {layers}, but so small a model has only {' and '.join(ranges)} styles")
        ranges = {layers: ranges[layers]}
    left, above = (
        latents(alae, _sources(words.split(","), checkpoint.config, most=_MOST), **at) for words in (rows, columns)
    )
    picture = mixing_grid(alae, left, above, ranges, describe(checkpoint, **at), **at)
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
    checkpoint = open_model(model, averaged, backend, device)
    config = checkpoint.config
    if config.labels:
        raise AlaeError(f"interpolation is for models without labels, but this one has {config.labels} classes")
    from alae_workbench.figures.styles import interpolation_grid, latents

    alae, at = checkpoint.model, level(checkpoint)
    w = latents(alae, _sources(corners or ["0", "1", "2", "3"], config), **at)
    if not 2 <= len(w) <= 4:
        raise AlaeError(f"interpolation is between 2, 3 or 4 corners, not {len(w)}")
    picture = interpolation_grid(alae, w, count, describe(checkpoint, **at), **at)
    write(out, picture, f"{len(w)} corners, {count} images from corner to corner")


def _sources(words: list[str], config: "Config", most: int | None = None) -> "list[int | Images]":
    from alae_workbench.data.sources import load_images

    sources: list[int | Images] = []
    for word in map(str.strip, words):
        if not word:
            raise AlaeError("a source is empty: it should be a seed, an image file or a folder of images")
        sources.append(require_seed(int(word)) if word.isdecimal() else load_images(word, config)[:most])
    return sources
