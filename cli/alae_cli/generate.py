"""`alae generate`, `reconstruct` and `encode`: what a trained model is used for."""

from collections.abc import Iterator
from itertools import chain
from math import prod
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Annotated

import typer

from alae_cli.options import Averaged, BackendName, CropName, Device, Model, require_ending
from alae_core import AlaeError
from alae_core.view import NoiseWord

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

Source = Annotated[
    str | None,
    typer.Argument(
        help="images as for `alae train --data`, or one image file; by default the run's own held-out images",
        show_default=False,
    ),
]
Lod = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="style models: the level of detail, images of 4·2^lod pixels",
        show_default="where training has come to",
    ),
]
Noise = Annotated[
    NoiseWord | None,
    typer.Option(
        help="style models: fixed adds the same to every image, on every backend; random another at every call; bump "
        "what the authors' code adds when told to leave noise out",
        show_default="fixed",
    ),
]


def generate(
    model: Model,
    out: Annotated[Path, typer.Option(help="a .png grid, or .npy: float32 (count, H, W, C) in [-1, 1]")] = Path(
        "samples.png"
    ),
    count: Annotated[int, typer.Option(min=1, help="how many images")] = 60,
    seed: Annotated[int, typer.Option(help="decides every z")] = 0,
    label: Annotated[
        int | None,
        typer.Option(min=0, help="the class to generate, for a model trained with labels", show_default="all in turn"),
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(
            help="style models: ψ of w′ = mean + ψ · (w − mean), 0 … 1; 1 is no truncation",
            show_default="networks.truncation_psi",
        ),
    ] = None,
    lod: Lod = None,
    noise: Noise = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw samples G(F(z))."""
    require_ending(out, ".png", ".npy")
    from alae_core.streams import require_seed
    from alae_workbench.models.opening import open_model

    require_seed(seed)

    opened = open_model(
        model, backend=backend, device=device, averaged=averaged, lod=lod, psi=truncation, noise=noise, label=label
    )
    import numpy as np

    from alae_workbench.figures.grid import require_rows_size
    from alae_workbench.figures.sample_grids import draw_samples
    from alae_workbench.models.sampling import sample_in_batches

    if out.suffix == ".png":
        require_rows_size(count, opened.model.image_shape())
    parts = sample_in_batches(opened.model, count, seed=seed, label=label, psi=truncation, noise=noise or "fixed")
    if out.suffix == ".npy":
        write_parts(out, parts, count)
        return
    psi = []
    if opened.view:
        psi = [f"truncation ψ {opened.model.config.style.truncation_psi if truncation is None else truncation:g}"]
    images = np.concatenate(list(parts))
    write(out, draw_samples(images, opened.make_caption(f"seed {seed}", *psi)), size(images.shape))


def reconstruct(
    model: Model,
    source: Source = None,
    out: Annotated[
        Path, typer.Option(help="a .png grid of images and reconstructions, or .npy: the reconstructions")
    ] = Path("reconstructions.png"),
    count: Annotated[int, typer.Option(min=1, help="how many images at the most")] = 48,
    align: Annotated[
        bool,
        typer.Option("--align", help="SOURCE is a photo or a folder of photos: their faces, as by `alae data align`"),
    ] = False,
    crop: CropName = "ffhq",
    lod: Lod = None,
    noise: Noise = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Show images beside their reconstructions G(E(x))."""
    require_ending(out, ".png", ".npy")
    if align:
        if source is None:
            raise AlaeError("--align needs a SOURCE: a photo or a folder of photos")
        from alae_workbench.faces.mtcnn_weights import require_package

        require_package()
    from alae_workbench.models.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged, lod=lod, noise=noise)
    from alae_workbench.figures.grid import require_rows_size
    from alae_workbench.figures.reconstruction_grids import draw_reconstructions

    images = opened.load_faces(source, crop, count) if align and source else source
    x, labels = opened.read_images(images, count)
    if out.suffix == ".png":
        require_rows_size(len(x), x.shape[1:], lines=2)
    reconstructions = opened.model.reconstruct(x, noise=noise or "fixed", labels=labels)
    if out.suffix == ".npy":
        write_parts(out, iter([reconstructions]), len(x))
    else:
        write(out, draw_reconstructions(x, reconstructions, opened.make_caption()), size(reconstructions.shape))


def encode(
    model: Model,
    source: Source = None,
    out: Annotated[
        Path, typer.Option(help=".npy: float32 (count, w), a row per image in the order of their files")
    ] = Path("w.npy"),
    lod: Lod = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Encode images into w = E(x); of image files, the names too."""
    require_ending(out, ".npy")
    from alae_core._support.files import write_atomically
    from alae_workbench.data.source import get_names
    from alae_workbench.models.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged, lod=lod)
    images = opened.load_images(source)
    write_parts(out, opened.encode_images(images), len(images))
    names = get_names(images)
    if names is not None:
        listed = out.with_suffix(".txt")
        lines = "".join(name.replace("\n", " ") + "\n" for name in names)
        write_atomically(listed, lines.encode("utf-8", "surrogateescape"))
        print(f"{listed}: their names, a line each")


def write(out: Path, picture: "Image", what: str) -> None:
    """Write a picture, whole or not at all, in a directory made if need be, and say what it is."""
    from alae_core._support.files import atomic_file

    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as file:
        picture.save(file, "png")
    print(f"{out}: {what}")


def write_parts(out: Path, parts: Iterator["np.ndarray"], count: int) -> None:
    """Write as .npy an array of `count` rows that comes in parts, in a directory made if need be, and say what it is.

    No more than a part of it is ever in memory. Raises AlaeError where there is no room for all of it on the disk.
    """
    import numpy as np

    from alae_core._support.files import atomic_file

    first = next(parts)
    shape = (count, *first.shape[1:])
    needed = first.itemsize * prod(shape)
    free = disk_usage(next(parent for parent in out.absolute().parents if parent.exists())).free
    if needed > free:
        raise AlaeError(f"{out} would have {needed:,} bytes, but there are only {free:,} free: ask for fewer images")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as file:
        header = {"descr": first.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in chain([first], parts):
            file.write(part.tobytes())
    print(f"{out}: {size(shape)}")


def size(shape: tuple[int, ...]) -> str:
    """How many of what shape, as text."""
    count, *rest = shape
    return f"{count} × {'×'.join(map(str, rest))}"
