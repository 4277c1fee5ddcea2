"""`alae data`: what is done to images before a model sees them."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import BackendName, CropName, Device

data = typer.Typer(help="Images, before a model sees them.", no_args_is_help=True)


@data.command()
def align(
    source: Annotated[str, typer.Argument(help="a photo, or a folder of photos", show_default=False)],
    out: Annotated[
        Path,
        typer.Argument(
            help="a new directory for the faces, PNG; for one photo also a file, .png",
            show_default=False,
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            min=4,
            max=4096,
            help="pixels a side of what is cut out",
            show_default="the largest power of two that enlarges no face, 64 … 1024",
        ),
    ] = None,
    crop: CropName = "ffhq",
    every: Annotated[
        bool, typer.Option("--all", help="every face of a photo, not the largest alone; a number follows its name")
    ] = False,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Cut faces out of photos upright, as those that the published models were trained on."""
    from alae_workbench.faces.photos import align_photos, planned
    from alae_workbench.faces.weights import require_package

    outputs = planned(source, out, every=every)
    require_package()
    from alae_core import load_backend
    from alae_core.backend import default_backend
    from alae_workbench.faces.detector import Detector

    detector = Detector(load_backend(backend or default_backend(), device))
    counts = align_photos(detector, outputs, size=size, crop=crop, every=every)
    print(f"{out}: {counts}")
