"""`alae generate`, `reconstruct` and `encode`: what a trained model is used for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alae_cli.options import Averaged, BackendName, Device, Model, require_ending
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
    from alae_core.latents import require_seed
    from alae_workbench.opening import open_model

    require_seed(seed)

    opened = open_model(model, backend=backend, device=device, averaged=averaged, lod=lod, psi=truncation, noise=noise)
    from alae_workbench.figures.grid import sample_grid
    from alae_workbench.sampling import sample

    images = sample(opened.model, count, seed=seed, label=label, psi=truncation, noise=noise or "fixed")
    if out.suffix == ".npy":
        write(out, images, size(images))
        return
    psi = []
    if opened.view:
        psi = [f"truncation ψ {opened.model.config.style.truncation_psi if truncation is None else truncation:g}"]
    write(out, sample_grid(images, opened.caption(f"seed {seed}", *psi)), size(images))


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
    from alae_workbench.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged, lod=lod, noise=noise)
    from alae_workbench.figures.grid import reconstruction_grid

    x, labels = opened.look_at(source, count)
    reconstructions = opened.model.reconstruct(x, noise=noise or "fixed", labels=labels)
    picture = reconstruction_grid(x, reconstructions, opened.caption())
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
    from alae_workbench.opening import open_model

    opened = open_model(model, backend=backend, device=device, averaged=averaged, lod=lod)
    x, labels = opened.look_at(source)
    w = opened.model.encode(x, labels=labels)
    write(out, w, size(w))


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
