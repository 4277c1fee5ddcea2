"""`alae encode`."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import Averaged, BackendName, Device, Lod, ModelOrShipped, SkipBad, Source, locate_model
from alae_cli.out import require_ending
from alae_cli.output import write_array


def encode(
    model: ModelOrShipped = None,
    source: Source = None,
    out: Annotated[
        Path, typer.Option(help="Array to write, .npy: float32 (count, w), a row per image in the order of the files.")
    ] = Path("w.npy"),
    lod: Lod = None,
    skip_bad: SkipBad = False,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Encode images into w = E(x), and list the names of image files in a .txt beside the array."""
    require_ending(out, ".npy")
    from alae_core._support.files import write_atomically
    from alae_workbench.data.source import get_names
    from alae_workbench.models.opening import open_model

    opened = open_model(
        locate_model(model), backend=backend, device=device, averaged=averaged, lod=lod, skip_bad=skip_bad
    )
    images = opened.load_images(source)
    write_array(out, opened.encode_images(images), len(images))
    names = get_names(images)
    if names is not None:
        listing = out.with_suffix(".txt")
        lines = "".join(name.replace("\n", " ") + "\n" for name in names)
        write_atomically(listing, lines.encode("utf-8", "surrogateescape"))
        print(f"{listing}: file names, one per line")
