"""`alae data`: preparing and inspecting images, and cutting out faces."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from alae_cli.commands import Commands
from alae_cli.options import BackendName, CropBox, CropName, Device, ImagesFrom, LabelsFrom, Range, make_source_options
from alae_cli.out import require_ending

data = Commands(name="data", help="Align faces, prepare data sets and inspect them.")

Images = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="Images: a folder, an archive, arrays, …; see docs/data.md.", show_default=False
    ),
]


@data.command()
def align(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A photo or a folder of photos.", show_default=False)],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="New directory for PNG files; for one photo also a .png file.", show_default=False
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            min=4,
            max=4096,
            help="Pixels a side of each face.",
            show_default="the largest power of two that does not enlarge the face, 64 … 1024",
        ),
    ] = None,
    crop: CropName = "ffhq",
    every: Annotated[
        bool, typer.Option("--all", help="Write every face of a photo, numbered, instead of the largest one.")
    ] = False,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Cut upright faces out of photos, aligned like those that the published models were trained on."""
    from alae_workbench.faces.mtcnn_weights import require_package
    from alae_workbench.faces.photos import align_photos, plan_outputs

    outputs = plan_outputs(source, out, all_faces=every)
    require_package()
    from alae_core import load_backend
    from alae_core.backend_lookup import default_backend
    from alae_workbench.faces.detector import Detector

    load_backend(backend or default_backend(), device)
    counts = align_photos(Detector(), outputs, size=size, crop=crop, all_faces=every)
    print(f"{out}: {counts}")


@data.command()
def prepare(
    source: Images,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New directory for the prepared set.", show_default=False)],
    size: Annotated[
        int | None,
        typer.Option(
            help="Pixels a side of every image, 4 … 4096.",
            show_default="arrays: their own; picture files: the largest power of two up to the median shorter side, "
            "at most 1024",
        ),
    ] = None,
    grey: Annotated[
        bool | None,
        typer.Option("--grey/--colour", help="Store 1 or 3 channels.", show_default="grey if all images are"),
    ] = None,
    fit: Annotated[
        Literal["crop", "pad"],
        typer.Option(help="Crop picture files of another shape, or pad them with black."),
    ] = "crop",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of processes that decode images.", show_default="one per processor"),
    ] = None,
    crop_box: CropBox = None,
    values: Range = "auto",
    labels: LabelsFrom = None,
    images_from: ImagesFrom = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out unreadable pictures, and list them in left-out.txt.")
    ] = False,
) -> None:
    """Decode images once into a set that training reads as a stream; run the command again to continue it."""
    import os

    from alae_core._support.text import count_things
    from alae_workbench.data.prepared.preparation import plan_preparation
    from alae_workbench.data.prepared.writing import write_set
    from alae_workbench.runs.progress import show_progress

    channels = None if grey is None else 1 if grey else 3
    options = make_source_options(labels, images_from, values, crop_box)
    preparation = plan_preparation(source, out, size=size, channels=channels, fit=fit, options=options)
    print(preparation)
    with show_progress(len(preparation), "images") as advance:
        manifest = write_set(preparation, workers=workers or os.cpu_count() or 1, skip_bad=skip_bad, progress=advance)
    left_out = sum(part.left_out for part in manifest.parts.values())
    unreadable = f"; {left_out:,} could not be read: {out / 'left-out.txt'}" if left_out else ""
    print(f"prepared {count_things(sum(part.count for part in manifest.parts.values()), 'image')}{unreadable}")
    print(f"train    alae train --data {out}")


@data.command("inspect")
def inspect_data(
    source: Images,
    out: Annotated[
        Path | None,
        typer.Option(help="File of the contact sheet, .png.", show_default="NAME-contact.png in the current folder"),
    ] = None,
    crop_box: CropBox = None,
    values: Range = "auto",
    labels: LabelsFrom = None,
    images_from: ImagesFrom = None,
) -> None:
    """Describe a data source, verify the files of a prepared set, and write a contact sheet."""
    from alae_core._support.files import atomic_file
    from alae_workbench.data.inspection import inspect
    from alae_workbench.data.resolve import open_source
    from alae_workbench.figures.contact_sheet import draw_contact_sheet
    from alae_workbench.runs.progress import show_progress

    sheet = out or Path(f"{Path(source).expanduser().resolve().stem}-contact.png")
    require_ending(sheet, ".png")
    options = make_source_options(labels, images_from, values, crop_box)
    contents = open_source(source, options)
    print("\n".join(inspect(source, contents, show_progress, options)))
    picture = draw_contact_sheet(source, contents, options)
    with atomic_file(sheet) as file:
        picture.save(file, "png")
    print(f"sheet: {sheet}")
