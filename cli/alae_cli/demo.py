"""`alae demo`."""

from errno import EACCES, EADDRINUSE
from functools import partial
from os import strerror
from pathlib import Path
from signal import Signals
from threading import Event
from typing import Annotated, Any

import typer

from alae_cli.options import BackendName, Device, Lod, ModelOrShipped, Runtime, locate_model
from alae_cli.signals import saving_first
from alae_core import ArgumentError


def demo(
    model: ModelOrShipped = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 is any free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    runtime: Runtime = None,
    lod: Lod = None,
    server: Annotated[
        bool,
        typer.Option(
            "--server",
            help="Run the model in this process instead of the browser: for large models, and on a GPU. Needs the "
            "extra [demo].",
        ),
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            help="With --server and --password-file: address to serve on, such as 0.0.0.0 for every network of this "
            "machine.",
            show_default="127.0.0.1, this machine alone",
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="With --server: file with the password that the page asks for, with any user name."),
    ] = None,
    backend: BackendName = None,
    device: Device = None,
) -> None:
    """Open a page that runs a model: sample, reconstruct, mix, interpolate and edit pictures.

    The page is served on this machine alone, until Ctrl-C. It runs the model in the browser and sends nothing anywhere.
    `alae export --format web` writes the same page for another server.
    """
    if server:
        _refuse("is not for --server, which needs no runtime", runtime=runtime)
        if host is not None and password_file is None:
            raise ArgumentError("host", f"is {host}, which others can reach: give a password with --password-file")
    else:
        _refuse("is only for --server", host=host, password_file=password_file, backend=backend, device=device)
    path = locate_model(model)
    from tempfile import TemporaryDirectory

    directory = TemporaryDirectory(prefix="alae-demo-")

    def remove_page(number: Signals) -> str:
        directory.cleanup()
        return "its page is removed"

    with directory, saving_first(remove_page):
        site = Path(directory.name, "site")
        # Both open the port first, so that one in use is reported before a framework is imported.
        if server:
            _serve_model(path, site, host, port, password_file, browser, backend=backend, device=device, lod=lod)
        else:
            _serve_page(path, site, port, browser, runtime, lod)


def _serve_page(path: Path, site: Path, port: int, browser: bool, runtime: Path | None, lod: int | None) -> None:
    """Export a page that runs the model in the browser, and serve it."""
    from alae_workbench.exports.serving import make_server

    try:
        server, address = make_server(site, port)
    except OSError as error:
        raise _port_error(port, error) from error
    from alae_workbench.exports.export import open_for_export

    opened = open_for_export(path, "onnx", lod=lod)
    # Imports Keras, so only after `open_for_export` has chosen the framework.
    from alae_workbench.exports.page import export_page, judge_size

    print("exporting the model for the browser, which takes half a minute", flush=True)
    export_page(opened, site, runtime=runtime)
    if note := judge_size(site):
        print(note, flush=True)
    _announce(address, browser)
    with server:
        server.serve_forever()


def _serve_model(
    path: Path, site: Path, host: str | None, port: int, password_file: Path | None, browser: bool, **options: Any
) -> None:
    """Serve a page, and run the model for it in this process; `options` as for `open_model`."""
    from alae_workbench.exports import model_server
    from alae_workbench.exports.serving import HOST

    model_server.require_packages()
    password = None if password_file is None else model_server.read_password(password_file)
    try:
        bound, address = model_server.bind(host or HOST, port)
    except OSError as error:
        if host is not None and error.errno not in (EADDRINUSE, EACCES):
            raise ArgumentError("host", f"is {host}: {error.strerror}; give an address of this machine") from error
        raise _port_error(port, error) from error
    from alae_workbench.models.opening import open_model

    opened = open_model(path, precision="float32", **options)
    from alae_workbench.exports.page import NETWORKS, write_server_page
    from alae_workbench.exports.programs import compute_program, make_programs

    programs = make_programs(opened.model, NETWORKS)
    write_server_page(opened, site, programs)
    compute = partial(compute_program, opened.model, noise="fixed")
    model_server.serve(model_server.make_app(site, programs, compute, password), bound)
    _announce(address, browser)
    Event().wait()


def _announce(address: str, browser: bool) -> None:
    print(f"{address} (Ctrl-C ends)", flush=True)
    if browser:
        import webbrowser

        webbrowser.open(address)


def _port_error(port: int, error: OSError) -> ArgumentError:
    return ArgumentError("port", f"is {port}: {strerror(error.errno or 0)}; choose another, or omit it")


def _refuse(problem: str, **options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise ArgumentError(name, problem)
