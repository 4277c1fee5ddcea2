"""`alae export`."""

from pathlib import Path
from typing import Annotated

import typer

from alae_cli.options import BackendName, Model


def export(
    model: Model,
    out: Annotated[
        Path, typer.Argument(help="New directory to write, or a .zip: one file to send.", show_default=False)
    ],
    credit: Annotated[
        str, typer.Option(help="Source and licence of the training images, for the card.", show_default=False)
    ],
    backend: BackendName = None,
) -> None:
    """Write a small copy of a run to share: averaged networks as float16, directions, examples and a card.

    Commands that use a model open either like any run; training cannot continue from it. The card quotes the numbers of
    `alae evaluate`, so evaluate the run first.
    """
    from alae_workbench.models.opening import open_model

    opened = open_model(model, backend=backend)
    from alae_workbench.runs.export import export_run

    written = export_run(opened, out, credit)
    size = sum(file.stat().st_size for file in (out, *out.rglob("*")) if file.is_file())
    print(f"{written}: {size / 1e6:.2f} MB" + ("" if written == out else f" in {out}"))
