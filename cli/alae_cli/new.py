"""`alae new`: a configuration for images that no preset was made for."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import Images, require_ending
from alae_core import AlaeError


def new(
    data: Annotated[
        str,
        typer.Argument(help="a folder of images, an .npz, an IDX folder, or a named data set", show_default=False),
    ],
    size: Annotated[
        int | None,
        typer.Option(help="height and width of the model's images", show_default="what the images have, 128 at most"),
    ] = None,
    images: Images = None,
    out: Annotated[
        Path | None, typer.Option(help="a YAML file to write, for `alae train --config`", show_default="print it")
    ] = None,
) -> None:
    """Make a configuration for your own images, with a comment beside each key, and say why it is so."""
    from alae_core._support.files import write_atomically
    from alae_workbench.data.survey import survey
    from alae_workbench.runs.proposal import IMAGES, propose

    if out is not None:
        require_ending(out, ".yaml", ".yml")
        if out.exists():
            raise AlaeError(f"--out {out} exists already: give another name")
    proposal = propose(survey(data), size=size, images=IMAGES if images is None else images)
    text = proposal.experiment.to_explained_yaml()
    print("\n".join(proposal.reasons), file=sys.stderr)
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text.encode())
        print(f"{out}: train with `alae train --config {out}`")
