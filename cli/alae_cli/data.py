"""`alae data`: what is done to images before a model sees them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from alae_cli.commands import Commands
from alae_cli.options import BackendName, CropName, Device, require_ending

data = Commands(help="Images, before a model sees them.")


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
    from alae_workbench.faces.mtcnn_weights import require_package
    from alae_workbench.faces.photos import align_photos, plan_outputs

    outputs = plan_outputs(source, out, all_faces=every)
    require_package()
    from alae_core import load_backend
    from alae_core.plugins import default_backend
    from alae_workbench.faces.detector import Detector

    load_backend(backend or default_backend(), device)
    counts = align_photos(Detector(), outputs, size=size, crop=crop, all_faces=every)
    print(f"{out}: {counts}")


@data.command()
def prepare(
    source: Annotated[
        str, typer.Argument(help="what `alae train --data` takes: a folder, an archive, arrays, …", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(help="a new directory for the prepared set", show_default=False)],
    size: Annotated[
        int | None,
        typer.Option(
            help="pixels a side of every image",
            show_default="of arrays their own; of files the largest power of two within the median shorter side, "
            "at most 1024",
        ),
    ] = None,
    grey: Annotated[
        bool | None,
        typer.Option("--grey/--colour", help="1 or 3 channels", show_default="grey where all images are"),
    ] = None,
    fit: Annotated[
        Literal["crop", "pad"], typer.Option(help="what becomes of files of another shape: cut, or framed in black")
    ] = "crop",
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes that decode", show_default="one for each processor")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="leave out what cannot be read, and list it in left-out.txt")
    ] = False,
) -> None:
    """Decode images once, for training to read as a stream; the same command goes on after a kill."""
    import os

    from alae_workbench.data.prepared.writing import preparation
    from alae_workbench.runs.progress import counted

    channels = None if grey is None else 1 if grey else 3
    planned = preparation(source, out, size=size, channels=channels, fit=fit)
    print(planned)
    with counted(len(planned), "images") as told:
        manifest = planned.run(workers=workers or os.cpu_count() or 1, skip_bad=skip_bad, told=told)
    left_out = sum(part.left_out for part in manifest.parts.values())
    told_out = f"; {left_out:,} could not be read: {out / 'left-out.txt'}" if left_out else ""
    print(f"{sum(part.count for part in manifest.parts.values()):,} images are prepared{told_out}")
    print(f"train    alae train --data {out}")


@data.command("inspect")
def inspect_data(
    source: Annotated[str, typer.Argument(help="what `alae train --data` takes, prepared or not", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="where the contact sheet goes, .png", show_default="NAME-contact.png in this folder"),
    ] = None,
) -> None:
    """Say what images there are, verify those of a prepared set, and write a contact sheet."""
    from alae_core._support.files import written_whole
    from alae_workbench.data.inspection import inspect
    from alae_workbench.runs.progress import counted

    sheet = out or Path(f"{Path(source).expanduser().resolve().stem}-contact.png")
    require_ending(sheet, ".png")
    seen = inspect(source, counted)
    print("\n".join(seen.lines))
    with written_whole(sheet) as file:
        seen.sheet.save(file, "png")
    print(f"look at  {sheet}")
