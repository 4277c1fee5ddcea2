"""`alae push`."""

from typing import Annotated

import typer

from alae_cli.options import BackendName, Model


def push(
    model: Model,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model on the Hub.", show_default=False)],
    credit: Annotated[
        str | None,
        typer.Option(
            help="Source and licence of the training images, for the card; omit it for a run of `alae export`.",
            show_default=False,
        ),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            help="Licence of the model as the Hub abbreviates it, such as cc-by-4.0.", show_default="not stated"
        ),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Create the model for its owner alone.")] = False,
    backend: BackendName = None,
) -> None:
    """Upload a model to the Hugging Face Hub; commands then open it as hf://OWNER/NAME.

    Uploads what `alae export` writes, with samples and the card as its page; no file of it executes code. Evaluate the
    run first, because the card quotes its measures. Needs `pip install 'alae[hub]'`, and `hf auth login` or HF_TOKEN.
    """
    from alae_workbench.tasks.push import push as upload

    page = upload(model, name, credit, license=license, private=private, backend=backend)
    print(f"{page}: open it as hf://{name}")
