"""`alae import-official`."""

from pathlib import Path
from typing import Annotated

import typer


def import_official(
    file: Annotated[Path, typer.Argument(help="Checkpoint of the authors, .pth.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="New directory for the run.", show_default=False)],
) -> None:
    """Convert a StyleALAE checkpoint of the authors to a run. Code in FILE is never executed."""
    from alae_core import load_checkpoint
    from alae_workbench.exchange.official import import_official as convert

    checkpoint = load_checkpoint(convert(file, out))
    config = checkpoint.config
    networks = config.style
    images = "×".join(map(str, config.image))
    weights = sum(array.size for name, array in checkpoint.state.items() if name.startswith("weights/"))
    print(
        f"{file}: StyleALAE for images {images}: z {networks.z}, w {networks.w}, "
        f"{networks.mapping_layers} layers in F, {networks.startf} to {networks.maxf} feature maps, {weights:,} weights"
    )
    print(f"written to {checkpoint.path}")
