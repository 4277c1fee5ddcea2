"""`alae import-official`."""

from pathlib import Path
from shutil import rmtree
from typing import Annotated

import typer

from alae_cli.options import BackendName, open_backend
from alae_core import AlaeError


def import_official(
    file: Annotated[Path, typer.Argument(help="a checkpoint of the authors' code, .pth", show_default=False)],
    out: Annotated[Path, typer.Argument(help="the new run's directory", show_default=False)],
    backend: BackendName = None,
) -> None:
    """Turn a checkpoint of the authors' StyleALAE into a run for the other commands. Nothing in FILE is executed."""
    if out.exists():
        raise AlaeError(f"{out} is there already: choose another OUT")
    from alae_core import load_checkpoint
    from alae_core.official import import_official as read

    open_backend(backend, None, "float32")
    try:
        checkpoint = load_checkpoint(read(file, out))
    except BaseException:
        # Nothing was there before, so whatever is there now is half a run.
        rmtree(out, ignore_errors=True)
        raise
    config = checkpoint.config
    networks = config.style
    images = "×".join(map(str, config.image))
    weights = sum(array.size for name, array in checkpoint.state.items() if name.startswith("weights/"))
    print(
        f"{file}: StyleALAE for images {images}: z {networks.z}, w {networks.w}, "
        f"{networks.mapping_layers} layers in F, {networks.startf} to {networks.maxf} feature maps, {weights:,} weights"
    )
    print(f"written to {checkpoint.path}")
