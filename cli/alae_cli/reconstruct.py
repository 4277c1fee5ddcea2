"""`alae reconstruct`."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import (
    PICTURES,
    Averaged,
    BackendName,
    CropName,
    Device,
    Lod,
    ModelOrShipped,
    Noise,
    Source,
    locate_model,
    picture_out,
    require_ending,
)
from alae_cli.output import describe_shape, write_array, write_picture
from alae_core import AlaeError, ArgumentError


def reconstruct(
    model: ModelOrShipped = None,
    source: Source = None,
    out: Annotated[Path, picture_out(", or .npy: the reconstructions alone, float32")] = Path("reconstructions.png"),
    count: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of images.", show_default="48, or 12 with --levels")
    ] = None,
    levels: Annotated[
        bool, typer.Option("--levels", help="Draw each image at every level of detail (style models).")
    ] = False,
    align: Annotated[
        bool,
        typer.Option("--align", help="Reconstruct the faces in SOURCE, a photo or a folder of photos; see --crop."),
    ] = False,
    crop: CropName = "ffhq",
    lod: Lod = None,
    noise: Noise = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw images and their reconstructions G(E(x)), or write the reconstructions as an array."""
    require_ending(out, *PICTURES, ".npy")
    if levels and out.suffix == ".npy":
        raise ArgumentError("levels", f"draws a picture, but {out} is an array: choose another --out")
    if align:
        if source is None:
            raise AlaeError("--align needs a SOURCE: a photo or a folder of photos")
        from alae_workbench.faces.mtcnn_weights import require_package

        require_package()
    from alae_workbench.models.opening import open_model

    opened = open_model(
        locate_model(model),
        backend=backend,
        device=device,
        averaged=averaged,
        lod=lod,
        noise=noise,
        levels=levels or None,
    )
    from alae_workbench.figures.grid import require_rows_size
    from alae_workbench.figures.reconstruction_grids import draw_levels, draw_reconstructions

    count, noise = count or (12 if levels else 48), noise or "fixed"
    images = opened.load_faces(source, crop, count) if align and source else opened.load_images(source)
    if levels:
        write_picture(out, draw_levels(opened.model, images, count, opened.make_caption(), noise=noise))
        return
    x, labels = opened.read_images(images, count)
    if out.suffix != ".npy":
        require_rows_size(len(x), x.shape[1:], lines=2)
    reconstructions = opened.model.reconstruct(x, noise=noise, labels=labels)
    if out.suffix == ".npy":
        write_array(out, iter([reconstructions]), len(x))
        return
    picture = draw_reconstructions(x, reconstructions, opened.make_caption())
    write_picture(out, picture, describe_shape(reconstructions.shape))
