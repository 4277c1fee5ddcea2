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
    SkipBad,
    Source,
    locate_model,
    picture_out,
    require_ending,
)
from alae_cli.output import write_array, write_picture
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
    skip_bad: SkipBad = False,
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
        skip_bad=skip_bad,
    )
    count, noise = count or (12 if levels else 48), noise or "fixed"
    images = opened.load_faces(source, crop, count) if align and source else opened.load_images(source)
    if out.suffix == ".npy":
        x, labels = opened.read_images(images, count)
        write_array(out, iter([opened.model.reconstruct(x, noise=noise, labels=labels)]), len(x))
        return
    from alae_workbench.tasks import figure

    draw = figure.levels if levels else figure.reconstructions
    write_picture(out, draw(opened, images, count, noise=noise))
