"""`alae new`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from alae_cli.options import FromRun, Images, Partial
from alae_cli.out import require_ending
from alae_core import ArgumentError


def new(
    source: Annotated[str, typer.Argument(help="Images: what `alae train --data` takes.", show_default=False)],
    size: Annotated[
        int | None,
        typer.Option(
            help="Height and width of the model's images in pixels, e.g. 32 or 64.",
            show_default="the images' own, at most 64 (conv) or 128 (style)",
        ),
    ] = None,
    family: Annotated[
        Literal["conv", "style"] | None,
        typer.Option(
            help="Networks: small ones for a CPU and minutes, or StyleALAE for a GPU and hours.",
            show_default="conv; style for 1M images or more",
        ),
    ] = None,
    images: Images = None,
    origin: FromRun = None,
    partial: Partial = False,
    out: Annotated[
        Path | None,
        typer.Option(help="YAML file to write, for `alae train --config`.", show_default="standard output"),
    ] = None,
) -> None:
    """Make a configuration for your own images, with a comment on every key, and explain its choices."""
    from alae_core._support.files import write_atomically
    from alae_core.config_data import RUN
    from alae_workbench.data.survey import survey
    from alae_workbench.runs.fine_tuning import make_fine_tuning
    from alae_workbench.runs.origin import Origin, describe_start, open_origin
    from alae_workbench.runs.proposal import IMAGES, propose

    if out is not None:
        require_ending(out, ".yaml", ".yml")
        if out.exists():
            raise ArgumentError("out", f"is {out}, which already exists: choose another name")
    if origin is None:
        if partial:
            raise ArgumentError("partial", "is only for --from RUN")
        length = IMAGES if images is None else images
        proposal = propose(survey(source), family=family, size=size, images=length)
        experiment, reasons = proposal.experiment, proposal.explain({})
    else:
        for name, value in (("family", family), ("images", images)):
            if value is not None:
                raise ArgumentError(name, f"is {value}, but networks and length are those of {origin}; edit the file")
        opened = open_origin(Origin(path=origin, partial=partial))
        experiment = make_fine_tuning(opened, {f"{RUN}.data": survey(source).path}, size=size)
        reasons = describe_start(opened, experiment.config)
    text = experiment.to_explained_yaml()
    print("\n".join(reasons), file=sys.stderr)
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text.encode())
        print(f"{out}: train with `alae train --config {out}`")
