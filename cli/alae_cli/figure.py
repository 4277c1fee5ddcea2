"""`alae figure KIND`: pictures of what models do, and plots of how they were trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from alae_cli.commands import Commands
from alae_cli.generate import Lod
from alae_cli.options import Averaged, BackendName, Device, Model, require_ending
from alae_core import AlaeError, ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from alae_workbench.data.source import Source as Images
    from alae_workbench.models.opening import OpenedModel

# A row of more would be too long to look at; and how many images of a data set are enough to start from.
_MOST, _FEW = 8, 4

figure = Commands(help="Draw a figure: .png, .svg or .pdf, the same for the same seed.")

Seed = Annotated[int, typer.Option(help="decides every z")]
Real = Annotated[
    str | None,
    typer.Option(
        "--images",
        help="real images, as for `alae train --data`, or one image file: the first ones",
        show_default=False,
    ),
]
Sources = "seeds of samples, image files or folders (their first 8), separated by commas"


def _out(default: str) -> Any:
    return typer.Option(help="a .png, .svg or .pdf", show_default=default)


@figure.command()
def reconstructions(
    model: Model,
    images: Real = None,
    count: Annotated[int, typer.Option(min=1, help="how many images at the most")] = 12,
    levels: Annotated[bool, typer.Option("--levels", help="style models: each image at every level of detail")] = False,
    out: Annotated[Path, _out("reconstructions.png")] = Path("reconstructions.png"),
    lod: Lod = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Images, and below each its reconstruction G(E(x)); by default the run's held-out images."""
    opened = _open(out, model, backend, device, averaged, lod)
    from alae_workbench.figures.reconstruction_grids import draw_levels, draw_reconstructions

    if levels:
        write(out, draw_levels(opened.model, opened.load_images(images), count, opened.make_caption()))
        return
    x, labels = opened.read_images(images, count)
    write(out, draw_reconstructions(x, opened.model.reconstruct(x, labels=labels), opened.make_caption()))


@figure.command()
def samples(
    model: Model,
    count: Annotated[int, typer.Option(min=1, help="samples in a row")] = 10,
    truncation: Annotated[
        str, typer.Option(help="style models: ψ of w′ = mean + ψ · (w − mean), a row each")
    ] = "0,0.3,0.5,0.7,1",
    seed: Seed = 0,
    out: Annotated[Path, _out("samples.png")] = Path("samples.png"),
    lod: Lod = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Samples G(F(z)); of style models a sweep of their truncation."""
    opened = _open(out, model, backend, device, averaged, lod)
    from alae_workbench.figures.sample_grids import draw_samples, draw_truncations
    from alae_workbench.models.sampling import sample

    caption = opened.make_caption(f"seed {seed}")
    if opened.view:
        write(out, draw_truncations(opened.model, count, seed, _floats("truncation", truncation), caption))
    else:
        write(out, draw_samples(sample(opened.model, count, seed=seed), caption))


@figure.command()
def lods(
    model: Model,
    count: Annotated[int, typer.Option(min=1, help="how many samples, a row each")] = 4,
    seed: Seed = 0,
    out: Annotated[Path, _out("lods.png")] = Path("lods.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Samples as they grew: the same w at every level of detail. For style models."""
    opened = _open(out, model, backend, device, averaged, style_task="drawing levels of detail")
    from alae_workbench.figures.sample_grids import draw_growth

    write(out, draw_growth(opened.model, count, seed, opened.make_caption(f"seed {seed}")))


@figure.command()
def neighbours(
    model: Model,
    count: Annotated[int, typer.Option(min=1, help="how many samples, a row each")] = 8,
    nearest: Annotated[int, typer.Option(min=1, help="how many training images for each")] = 6,
    seed: Seed = 0,
    out: Annotated[Path, _out("neighbours.png")] = Path("neighbours.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Samples, and the training images nearest to each: is it memorising?"""
    opened = _open(out, model, backend, device, averaged)
    from alae_workbench.figures.sample_grids import draw_neighbours

    caption = opened.make_caption(f"seed {seed}")
    write(out, draw_neighbours(opened.model, opened.load_data().train, count, nearest, seed, caption))


@figure.command()
def losses(
    runs: Annotated[list[Path], typer.Argument(help="runs of `alae train`", show_default=False)],
    out: Annotated[Path, _out("losses.png")] = Path("losses.png"),
) -> None:
    """The losses and measures of one or several runs over their steps."""
    require_ending(out, ".png", ".svg", ".pdf")
    from alae_workbench.figures.plots import plot_curves

    write(out, plot_curves(runs))


@figure.command()
def mix(
    model: Model,
    rows: Annotated[str, typer.Option(help=Sources)] = "0,1,2,3",
    columns: Annotated[str, typer.Option(help="the same for the columns")] = "4,5,6,7,8,9",
    layers: Annotated[
        Literal["coarse", "middle", "fine", "all"],
        typer.Option(help="which styles to take from the columns: a section for each of coarse, middle, fine, or one"),
    ] = "all",
    out: Annotated[Path, _out("mixing.png")] = Path("mixing.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Styles of two sources: some layers' from the column, the others' from the row. For style models."""
    opened = _open(out, model, backend, device, averaged, style_task="style mixing", layers=layers)
    from alae_workbench.figures.latent_grids import draw_mixing
    from alae_workbench.models.mixing import layer_ranges, make_latents

    ranges = layer_ranges(opened.view.lod + 1 if opened.view else 0)
    if layers != "all":
        ranges = {layers: ranges[layers]}
    left, above = (
        make_latents(opened.model, sources(words.split(","), opened, most=_MOST)) for words in (rows, columns)
    )
    picture = draw_mixing(opened.model, left, above, ranges, opened.make_caption())
    write(out, picture, f"{len(left)} rows × {len(above)} columns, {', '.join(ranges)} styles")


@figure.command()
def interpolation(
    model: Model,
    corners: Annotated[
        list[str] | None,
        typer.Argument(
            help="2 to 4 seeds of samples, image files or folders: a row, a triangle or a square",
            show_default="0 1 2 3",
        ),
    ] = None,
    images: Real = None,
    count: Annotated[int, typer.Option(min=2, help="images from corner to corner")] = 8,
    out: Annotated[Path, _out("interpolation.png")] = Path("interpolation.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Images between images or samples, in w."""
    opened = _open(out, model, backend, device, averaged)
    from alae_workbench.figures.latent_grids import draw_interpolation
    from alae_workbench.models.mixing import make_latents

    words = _starts("corners", corners, images, "0 1 2 3")
    w = make_latents(opened.model, sources(words, opened, most=_FEW if images else None))
    picture = draw_interpolation(opened.model, w, count, opened.make_caption())
    write(out, picture, f"{len(w)} corners, {count} images from corner to corner")


@figure.command()
def traversal(
    model: Model,
    of: Annotated[
        list[str] | None,
        typer.Argument(help="seeds of samples, image files or folders, a row each", show_default="0 1 2"),
    ] = None,
    images: Real = None,
    directions: Annotated[
        str | None,
        typer.Option(
            help="names of directions beside the run, or .npy files, separated by commas",
            show_default="principal components of w",
        ),
    ] = None,
    reach: Annotated[float, typer.Option(min=0, help="how far to go each way; 1 is a standard deviation of w")] = 3.0,
    count: Annotated[int, typer.Option(min=2, help="images in a row")] = 7,
    out: Annotated[Path, _out("traversal.png")] = Path("traversal.png"),
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Images moved along directions in w, there and back."""
    import numpy as np

    opened = _open(out, model, backend, device, averaged)
    from alae_workbench.figures.latent_grids import draw_traversal
    from alae_workbench.models.directions import find_principal_directions, load_direction
    from alae_workbench.models.mixing import make_latents

    width, run = opened.model.config.networks.w, opened.run
    names = directions.split(",") if directions else []
    chosen = [load_direction(name.strip(), width, run) for name in names] or find_principal_directions(opened.model, 3)
    w = make_latents(opened.model, sources(_starts("of", of, images, "0 1 2"), opened, most=_FEW if images else _MOST))
    amounts = [float(each) for each in np.linspace(-reach, reach, count).round(6)]
    write(out, draw_traversal(opened.model, w, chosen, amounts, opened.make_caption()))


def write(out: Path, picture: "Image | Figure", what: str = "") -> None:
    """Write a figure, whole or not at all, and say where, and what it is."""
    from alae_workbench.figures.save import save_figure

    save_figure(out, picture)
    print(f"{out}: {what}" if what else out)


def sources(words: list[str], opened: "OpenedModel", most: int | None = None) -> "list[int | Images]":
    """Seeds and images that words stand for. Raises AlaeError for an empty one."""
    from alae_core.streams import require_seed
    from alae_workbench.data.derived import take_first

    found: list[int | Images] = []
    for word in map(str.strip, words):
        if not word:
            raise AlaeError("a source is empty: it should be a seed, an image file or a folder of images")
        if word.isdecimal():
            found.append(require_seed(int(word)))
        else:
            images = opened.load_images(word)
            found.append(take_first(images, most or len(images)))
    return found


def _starts(name: str, words: list[str] | None, images: str | None, default: str) -> list[str]:
    """What a figure starts from. Raises ArgumentError where both words and --images say it."""
    if words and images:
        raise ArgumentError(
            name, f"is {' '.join(words)}, but --images {images} says what to start from: give one of them"
        )
    return words or ([images] if images else default.split())


def _open(
    out: Path,
    model: Path,
    backend: str | None,
    device: str | None,
    averaged: bool,
    lod: int | None = None,
    **options: Any,
) -> "OpenedModel":
    require_ending(out, ".png", ".svg", ".pdf")
    from alae_workbench.models.opening import open_model

    return open_model(model, backend=backend, device=device, averaged=averaged, lod=lod, **options)


def _floats(option: str, words: str) -> list[float]:
    try:
        return [float(word) for word in words.split(",")]
    except ValueError as error:
        raise AlaeError(f"--{option} {words} must be numbers, separated by commas") from error
