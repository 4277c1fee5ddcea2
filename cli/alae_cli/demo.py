"""`alae demo`."""

from pathlib import Path
from signal import Signals
from typing import Annotated

import typer

from alae_cli.options import Lod, ModelOrShipped, Runtime, locate_model
from alae_cli.signals import saving_first
from alae_core import ArgumentError


def demo(
    model: ModelOrShipped = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 is any free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    runtime: Runtime = None,
    lod: Lod = None,
) -> None:
    """Open a page that runs a model in the browser: sample, reconstruct, mix, interpolate and edit pictures.

    The page is served on this machine alone, until Ctrl-C. It sends nothing anywhere. `alae export --format web` writes
    the same page for another server.
    """
    path = locate_model(model)
    from tempfile import TemporaryDirectory

    from alae_workbench.exports.serving import make_server

    directory = TemporaryDirectory(prefix="alae-demo-")

    def remove_page(number: Signals) -> str:
        directory.cleanup()
        return "its page is removed"

    with directory, saving_first(remove_page):
        site = Path(directory.name, "site")
        # First, so that a port in use is reported before a framework is imported.
        try:
            server, address = make_server(site, port)
        except OSError as error:
            raise ArgumentError("port", f"is {port}: {error.strerror}; choose another, or omit it") from error
        from alae_workbench.exports.export import open_for_export

        opened = open_for_export(path, "onnx", lod=lod)
        # Imports Keras, so only after `open_for_export` has chosen the framework.
        from alae_workbench.exports.page import export_page

        print("exporting the model for the browser, which takes half a minute", flush=True)
        export_page(opened, site, runtime=runtime)
        print(f"{address} (Ctrl-C ends)", flush=True)
        if browser:
            import webbrowser

            webbrowser.open(address)
        with server:
            server.serve_forever()
