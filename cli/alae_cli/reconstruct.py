"""`alae reconstruct`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alae_cli.options import (
    Averaged,
    BackendName,
    CropName,
    Device,
    Lod,
    ModelOrShipped,
    Noise,
    SaveW,
    SkipBad,
    Source,
    images_out,
    locate_model,
)
from alae_cli.out import is_figure, require_images_out
from alae_cli.output import locate_latents, write_array, write_images, write_picture
from alae_core import AlaeError, ArgumentError

if TYPE_CHECKING:
    import numpy as np


def reconstruct(
    model: ModelOrShipped = None,
    source: Source = None,
    out: Annotated[Path, images_out("the reconstructions alone, float32")] = Path("reconstructions.png"),
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
    save_w: SaveW = False,
    lod: Lod = None,
    noise: Noise = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw images and their reconstructions G(E(x)), or write the reconstructions as arrays or pictures."""
    require_images_out(out, source)
    drawn = is_figure(out, None if levels else count)
    if levels and not drawn:
        raise ArgumentError("levels", f"draws a picture, but {out} is an array or a folder: choose another --out")
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
    total = min(count, len(images))

    def encode_in_batches() -> Iterator[tuple["np.ndarray", "np.ndarray"]]:
        for x, labels in opened.read_in_batches(images, count):
            w = opened.model.w_of(x, labels=labels) if save_w else x
            yield w, x if drawn else opened.model.reconstruct(x, noise=noise, labels=labels)

    if drawn:
        from alae_workbench.tasks import figure

        draw = figure.levels if levels else figure.reconstructions
        write_picture(out, draw(opened, images, count, noise=noise))
        if save_w:
            write_array(locate_latents(out), (w for w, _ in encode_in_batches()), total)
        return
    from alae_workbench.data.source import get_names
    from alae_workbench.figures.image_files import name_by_source

    write_images(out, encode_in_batches(), total, name_by_source(get_names(images), total), save_w)
