"""`alae figure KIND`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from alae_cli.commands import Commands
from alae_cli.options import (
    Averaged,
    BackendName,
    Device,
    Lod,
    Model,
    ModelOrShipped,
    Noise,
    Seed,
    SkipBad,
    Truncation,
    locate_model,
    parse_list,
    picture_out,
    truncation_option,
)
from alae_cli.out import ANIMATIONS, PICTURES, require_ending
from alae_cli.output import write_animation, write_picture
from alae_core import ArgumentError

if TYPE_CHECKING:
    from alae_workbench.models.opening import OpenedModel

figure = Commands(name="figure", help="Draw figures of models and runs. Equal seeds give equal files.")

_SOURCES = "Seeds of samples, SOURCEs of images and files of w, separated by commas; of a folder, data set or file"


@figure.command()
def lods(
    model: Model,
    count: Annotated[int, typer.Option(min=1, help="Number of samples, one per row.")] = 4,
    seed: Seed = 0,
    out: Annotated[Path, picture_out()] = Path("lods.png"),
    psi: Truncation = None,
    lod: Lod = None,
    noise: Noise = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw the same w at every level of detail (style models)."""
    opened = _open(out, model, backend, device, averaged, lod, noise, psi=psi, style_task="a figure of levels")
    from alae_workbench.tasks import figure

    write_picture(out, figure.lods(opened, count, seed=seed, psi=psi, noise=noise or "fixed"))


@figure.command()
def neighbours(
    model: ModelOrShipped = None,
    count: Annotated[int, typer.Option(min=1, help="Number of samples, one per row.")] = 8,
    nearest: Annotated[int, typer.Option(min=1, help="Number of training images for each sample.")] = 6,
    data: Annotated[
        str | None,
        typer.Option(
            help="The run's training images, or others; the shipped model needs it.",
            show_default="where the run recorded them",
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path, picture_out()] = Path("neighbours.png"),
    psi: Annotated[float | None, truncation_option("1, no truncation")] = None,
    lod: Lod = None,
    noise: Noise = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw samples and the training images nearest to each, to see whether the model copies them."""
    opened = _open(out, model, backend, device, averaged, lod, noise, psi=psi, skip_bad=skip_bad)
    from alae_workbench.tasks import figure

    write_picture(out, figure.neighbours(opened, count, nearest, data=data, seed=seed, psi=psi, noise=noise or "fixed"))


@figure.command()
def losses(
    runs: Annotated[list[Path], typer.Argument(help="Runs of `alae train`.", show_default=False)],
    out: Annotated[Path, picture_out()] = Path("losses.png"),
) -> None:
    """Plot the losses and measures of runs over their training steps."""
    require_ending(out, *PICTURES)
    from alae_workbench.figures.plots import plot_curves  # without Keras, which a curve does not need

    write_picture(out, plot_curves(runs))


@figure.command()
def mix(
    model: Model,
    rows: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE,…", help=f"{_SOURCES}, its first 8.", show_default="0,1,2,3")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE,…", help="The same for the columns.", show_default="4,5,6,7,8,9")
    ] = None,
    layers: Annotated[
        Literal["coarse", "middle", "fine", "all"],
        typer.Option(help="Styles to take from the columns; all draws a section for each of coarse, middle and fine."),
    ] = "all",
    out: Annotated[Path, picture_out()] = Path("mixing.png"),
    psi: Truncation = None,
    lod: Lod = None,
    noise: Noise = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw style mixing: some layers take the style of the column, the others that of the row (style models)."""
    left, above = parse_sources("rows", rows or ["0,1,2,3"]), parse_sources("columns", columns or ["4,5,6,7,8,9"])
    opened = _open(
        out,
        model,
        backend,
        device,
        averaged,
        lod,
        noise,
        psi=psi,
        style_task="style mixing",
        layers=layers,
        skip_bad=skip_bad,
    )
    from alae_workbench.tasks import figure

    write_picture(out, figure.mix(opened, left, above, layers, psi=psi, noise=noise or "fixed"))


@figure.command()
def interpolation(
    model: ModelOrShipped = None,
    corners: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CORNERS",
            help=f"{_SOURCES}, its first 4: 2 corners make a row, 3 a triangle, 4 a square, more a row each.",
            show_default="0,1,2,3",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            min=2, help="Number of images from corner to corner.", show_default="8, or 49 in an animation: 2 seconds"
        ),
    ] = None,
    out: Annotated[
        Path, picture_out("; or an animation that passes through all corners in turn, .gif, .webp or .mp4")
    ] = Path("interpolation.png"),
    loop: Annotated[bool, typer.Option("--loop", help="Return to the first corner (animations).")] = False,
    fps: Annotated[float, typer.Option(min=1, max=60, help="Frames per second (animations).")] = 24.0,
    psi: Truncation = None,
    lod: Lod = None,
    noise: Noise = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw images between images or samples, interpolated in w, as a picture or an animation."""
    sources = parse_sources("corners", corners or ["0,1,2,3"])
    animated = out.suffix in ANIMATIONS
    if animated:
        from alae_workbench.figures.animation import require_encoder

        require_encoder(out)
    elif loop:
        raise ArgumentError("loop", f"is for animations, but {out} is a picture: choose .gif, .webp or .mp4")
    endings = (*PICTURES, *ANIMATIONS)
    options = {"psi": psi, "skip_bad": skip_bad}
    opened = _open(out, model, backend, device, averaged, lod, noise, endings=endings, **options)
    from alae_workbench.tasks import figure

    noise = noise or "fixed"
    if animated:
        frames = figure.animate(opened, sources, count or figure.FRAMES, loop=loop, psi=psi, noise=noise)
        write_animation(out, frames, fps)
    else:
        write_picture(out, figure.interpolation(opened, sources, count or 8, psi=psi, noise=noise))


@figure.command()
def traversal(
    model: ModelOrShipped = None,
    starts: Annotated[
        list[str] | None,
        typer.Argument(metavar="STARTS", help=f"{_SOURCES}, its first 8: a row each.", show_default="0,1,2"),
    ] = None,
    direction: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,…",
            help="Directions of the run, or .npy files.",
            show_default="3 principal components of w",
        ),
    ] = None,
    reach: Annotated[
        float, typer.Option(min=0, help="Largest move either way, in standard deviations of w along the direction.")
    ] = 3.0,
    count: Annotated[int, typer.Option(min=2, help="Number of images in a row.")] = 7,
    out: Annotated[Path, picture_out()] = Path("traversal.png"),
    psi: Truncation = None,
    lod: Lod = None,
    noise: Noise = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw images moved along directions in w."""
    sources = parse_sources("starts", starts or ["0,1,2"])
    names = parse_list("direction", direction, str)
    opened = _open(out, model, backend, device, averaged, lod, noise, psi=psi, skip_bad=skip_bad)
    from alae_workbench.tasks import figure

    noise = noise or "fixed"
    write_picture(out, figure.traversal(opened, sources, names, reach=reach, count=count, psi=psi, noise=noise))


def parse_sources(argument: str, texts: Sequence[str]) -> list[int | str]:
    """Parse seeds, and names or paths of images, from texts of one or several, separated by commas.

    Raises ArgumentError if one is empty, or is a number that is not a seed.
    """

    def parse(word: str) -> int | str:
        if not word.isdecimal():
            return word
        if int(word) >= 2**63:
            raise ArgumentError(argument, f"is {word}: a seed must be less than 2**63")
        return int(word)

    # A path that exists may contain commas.
    return [
        source
        for text in texts
        for source in ([text] if "," in text and Path(text).exists() else parse_list(argument, [text], parse))
    ]


def _open(
    out: Path,
    model: Path | None,
    backend: str | None,
    device: str | None,
    averaged: bool,
    lod: int | None,
    noise: Any,
    *,
    endings: Sequence[str] = PICTURES,
    **options: Any,
) -> "OpenedModel":
    require_ending(out, *endings)
    from alae_workbench.models.opening import open_model

    return open_model(
        locate_model(model), backend=backend, device=device, averaged=averaged, lod=lod, noise=noise, **options
    )
