"""`alae generate`, `reconstruct` and `encode`: what a trained model is used for."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alae_cli.options import BackendName, Device, open_backend
from alae_core import AlaeError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from alae_core import Checkpoint
    from alae_workbench.data.images import Images

Model = Annotated[Path, typer.Argument(help="a run of `alae train`, or one of its checkpoints", show_default=False)]
Raw = Annotated[bool, typer.Option("--raw", help="the networks as trained, instead of their running averages")]
Source = Annotated[
    str | None,
    typer.Argument(
        help="images as for `alae train --data`, or one image file; by default the run's own held-out images",
        show_default=False,
    ),
]


def generate(
    model: Model,
    out: Annotated[Path, typer.Option(help="a .png grid, or .npy: float32 (count, H, W, C) in [-1, 1]")] = Path(
        "samples.png"
    ),
    count: Annotated[int, typer.Option(min=1, help="how many images")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="decides every z")] = 0,
    label: Annotated[
        int | None,
        typer.Option(min=0, help="the class to generate, for a model trained with labels", show_default="all in turn"),
    ] = None,
    raw: Raw = False,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Draw samples G(F(z))."""
    checkpoint = _open(model, raw, backend, device)
    classes = checkpoint.config.labels
    if label is not None and label >= classes:
        known = f"has the classes 0 … {classes - 1}" if classes else "was trained without labels"
        raise AlaeError(f"--label is {label}, but the model {known}")
    from alae_workbench.figures.grid import compose, in_rows, sample

    images = sample(checkpoint.model, count, seed=seed, label=label)
    _write(out, images, lambda: compose([("samples G(F(z))", in_rows(images))], f"{_name(checkpoint)} · seed {seed}"))


def reconstruct(
    model: Model,
    source: Source = None,
    out: Annotated[
        Path, typer.Option(help="a .png grid of images and reconstructions, or .npy: the reconstructions")
    ] = Path("reconstructions.png"),
    count: Annotated[int, typer.Option(min=1, help="how many images at the most")] = 48,
    raw: Raw = False,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Show images beside their reconstructions G(E(x))."""
    checkpoint = _open(model, raw, backend, device)
    from alae_workbench.figures.grid import reconstruction_grid

    images = _images(checkpoint, source)[:count]
    x = images.floats()
    reconstructions = checkpoint.model.reconstruct(x, labels=images.labels_for(checkpoint.config))
    _write(out, reconstructions, lambda: reconstruction_grid(x, reconstructions, _name(checkpoint)))


def encode(
    model: Model,
    source: Source = None,
    out: Annotated[
        Path, typer.Option(help=".npy: float32 (count, w), a row per image in the order of their files")
    ] = Path("w.npy"),
    raw: Raw = False,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Encode images into w = E(x)."""
    checkpoint = _open(model, raw, backend, device)
    if out.suffix != ".npy":
        raise AlaeError(f"--out {out} must end in .npy")
    images = _images(checkpoint, source)
    w = checkpoint.model.encode(images.floats(), labels=images.labels_for(checkpoint.config))
    _write(out, w, None)


def _open(model: Path, raw: bool, backend: str | None, device: str | None) -> "Checkpoint":
    from alae_core import load_checkpoint

    checkpoint = load_checkpoint(model, averaged=not raw)
    open_backend(backend, device, checkpoint.config.precision)
    return checkpoint


def _images(checkpoint: "Checkpoint", source: str | None) -> "Images":
    from alae_workbench.data.sources import load_data, load_images

    return load_data(checkpoint.config).held_out if source is None else load_images(source, checkpoint.config)


def _name(checkpoint: "Checkpoint") -> str:
    networks = "averaged networks" if checkpoint.averaged else "networks as trained"
    return f"{checkpoint.path.absolute().parent.parent.name} · step {checkpoint.step:,} · {networks}"


def _write(out: Path, array: "np.ndarray", picture: "Callable[[], Image] | None") -> None:
    import numpy as np

    if out.suffix not in (".npy", ".png"):
        raise AlaeError(f"--out {out} must end in .png or .npy")
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".npy" or picture is None:
        np.save(out, array)
    else:
        picture().save(out)
    print(f"{out}: {array.shape[0]} × {'×'.join(map(str, array.shape[1:]))}")
