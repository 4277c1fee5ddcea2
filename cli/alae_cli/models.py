"""`alae generate`, `reconstruct` and `encode`: what a trained model is used for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from alae_cli.options import Averaged, BackendName, Device, Model, level, open_model, require_seed
from alae_core import AlaeError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from alae_core import Alae, Checkpoint
    from alae_workbench.data.images import Images

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
    Literal["fixed", "random", "none"] | None,
    typer.Option(
        help="style models: fixed adds the same to every image, on every backend; random another at every call",
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
    require_seed(seed)
    checkpoint = open_model(model, averaged, backend, device, truncation=truncation, lod=lod, noise=noise)
    classes = checkpoint.config.labels
    if label is not None and label >= classes:
        known = f"has the classes 0 … {classes - 1}" if classes else "was trained without labels"
        raise AlaeError(f"--label is {label}, but the model {known}")
    if truncation is not None and not 0 <= truncation <= 1:
        raise AlaeError(f"--truncation is {truncation:g}, but must lie in 0 … 1")
    from alae_workbench.figures.grid import compose, in_rows, sample

    alae, at = checkpoint.model, level(checkpoint, lod)
    images = sample(alae, count, seed=seed, label=label, psi=truncation, noise=_noise(alae, noise, at["lod"]), **at)
    caption = f"{describe(checkpoint, **at)} · seed {seed}"
    if alae.is_style:
        caption += f" · truncation ψ {checkpoint.config.style.truncation_psi if truncation is None else truncation:g}"
    write(
        out, images if out.suffix == ".npy" else compose([("samples G(F(z))", in_rows(images))], caption), size(images)
    )


def reconstruct(
    model: Model,
    source: Source = None,
    out: Annotated[
        Path, typer.Option(help="a .png grid of images and reconstructions, or .npy: the reconstructions")
    ] = Path("reconstructions.png"),
    count: Annotated[int, typer.Option(min=1, help="how many images at the most")] = 48,
    lod: Lod = None,
    noise: Noise = None,
    averaged: Averaged = True,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Show images beside their reconstructions G(E(x))."""
    require_ending(out, ".png", ".npy")
    checkpoint = open_model(model, averaged, backend, device, lod=lod, noise=noise)
    from alae_workbench.figures.grid import reconstruction_grid

    alae, at = checkpoint.model, level(checkpoint, lod)
    images = _images(checkpoint, source)[:count]
    x = alae.at_level(images.floats(), **at)
    labels = images.labels_for(checkpoint.config)
    reconstructions = alae.reconstruct(x, noise=_noise(alae, noise, at["lod"]), labels=labels, **at)
    picture = reconstruction_grid(x, reconstructions, describe(checkpoint, **at))
    write(out, reconstructions if out.suffix == ".npy" else picture, size(reconstructions))


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
    """Encode images into w = E(x)."""
    require_ending(out, ".npy")
    checkpoint = open_model(model, averaged, backend, device, lod=lod)
    alae, at = checkpoint.model, level(checkpoint, lod)
    images = _images(checkpoint, source)
    w = alae.encode(alae.at_level(images.floats(), **at), labels=images.labels_for(checkpoint.config), **at)
    write(out, w, size(w))


def require_ending(out: Path, *endings: str) -> None:
    """Raise AlaeError unless `out` ends in one of the endings."""
    if out.suffix not in endings:
        raise AlaeError(f"--out {out} must end in {' or '.join(endings)}")


def describe(checkpoint: "Checkpoint", lod: int | None, blend: float) -> str:
    """What a picture's caption says of its model, shown at one level of detail."""
    from alae_workbench.figures.grid import resolution

    networks = "averaged networks" if checkpoint.averaged else "networks as trained"
    parts = [
        checkpoint.path.absolute().parent.parent.name,
        f"step {checkpoint.step:,}",
        resolution(lod, blend),
        networks,
    ]
    return " · ".join(filter(None, parts))


def write(out: Path, content: "np.ndarray | Image", what: str) -> None:
    """Write an array or a picture, in a directory made if need be, and say what it is."""
    import numpy as np

    out.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray):
        np.save(out, content)
    else:
        content.save(out)
    print(f"{out}: {what}")


def size(array: "np.ndarray") -> str:
    """How many of what shape, as text."""
    return f"{len(array)} × {'×'.join(map(str, array.shape[1:]))}"


def _images(checkpoint: "Checkpoint", source: str | None) -> "Images":
    from alae_workbench.data.sources import load_data, load_images

    return load_data(checkpoint.config).held_out if source is None else load_images(source, checkpoint.config)


def _noise(alae: "Alae", noise: str | None, lod: int | None) -> "str | Sequence[np.ndarray] | None":
    from alae_workbench.figures.grid import fixed_noise

    match noise:
        case "random":
            return None
        case "none":
            return "zero"
        case _:
            return fixed_noise(alae, lod)
