"""`alae encode`."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import (
    Averaged,
    BackendName,
    Device,
    LabelsFrom,
    Lod,
    ModelOrShipped,
    SharedBy,
    SkipBad,
    Source,
    locate_model,
)
from alae_cli.out import ARRAYS, require_ending
from alae_cli.output import write_array
from alae_core import ArgumentError


def encode(
    model: ModelOrShipped = None,
    source: Source = None,
    out: Annotated[
        Path,
        typer.Option(
            help="File to write. .npy: float32 (count, w), a row per image in the order of the files; .npz: the same "
            "as w, with the names and labels of the images."
        ),
    ] = Path("w.npy"),
    labels: LabelsFrom = None,
    lod: Lod = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
    devices: SharedBy = None,
) -> None:
    """Encode images into w = E(x).

    The names of image files are in a .txt beside an .npy array. An .npz file has w, names and labels.
    """
    require_ending(out, *ARRAYS)
    from alae_core._support.files import write_atomically
    from alae_workbench.data.source import get_names
    from alae_workbench.models.opening import open_model

    opened = open_model(
        locate_model(model),
        backend=backend,
        device=device,
        devices=devices,
        averaged=averaged,
        lod=lod,
        skip_bad=skip_bad,
    )
    if labels is not None and out.suffix == ".npy" and not opened.model.config.labels:
        raise ArgumentError("labels", f"is {labels}, but {out} holds w alone: write an .npz file, such as --out w.npz")
    images = opened.load_images(source, labels)
    if out.suffix == ".npz":
        from alae_workbench.data.labels import describe_labels
        from alae_workbench.models.latent_files import write_latents

        count, width = write_latents(out, opened.encode_images(images), images)
        print(f"{out}: {count} × {width}; labels: {describe_labels(images)}")
        return
    write_array(out, opened.encode_images(images), len(images))
    names = get_names(images)
    if names is not None:
        listing = out.with_suffix(".txt")
        lines = "".join(name.replace("\n", " ") + "\n" for name in names)
        write_atomically(listing, lines.encode("utf-8", "surrogateescape"))
        print(f"{listing}: file names, one per line")
